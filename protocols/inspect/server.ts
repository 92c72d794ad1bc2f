/** The answering end of one stream: questions are answered in order, the next only when the answer has left. */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { PlanDigest, RequestId } from '../../src/core/ids.ts';
import { UNBOUNDED_SHARE, type Share } from '../byte-pool.ts';
import * as fields from '../fields.ts';
import type { FrameStream } from '../framing.ts';
import { MAX_DOCUMENT_BYTES, MAX_PIPELINED } from './constants.ts';
import { answerCodec, questionCodec, type Answer, type Question } from './messages.ts';

/** Where answers come from: JSON, null for what is not known. */
export interface InspectProvider {
  /** Milliseconds, monotonic. */
  clockMs(): number;
  account(requestId: RequestId): Uint8Array | null;
  plan(digest: PlanDigest): Uint8Array | null;
  requests(): Uint8Array | null;
  card(): Promise<Uint8Array | null>;
}

/**
 * Serves a stream until the client ends it or asks nothing for `idleTimeoutMs`. Without a provider everything is refused.
 * @param share of the memory for answers on their way.
 * @throws MeshError INVALID_MESSAGE when the client breaks the protocol, PEER_LOST.
 */
export async function serveQuestions(
  stream: FrameStream,
  provider: InspectProvider | undefined,
  idleTimeoutMs: number,
  share: Share = UNBOUNDED_SHARE,
): Promise<void> {
  let waiting = 0;
  let answered = Promise.resolve();
  const idle = setTimeout(
    () => stream.abort(new MeshError('DEADLINE_EXCEEDED', 'nothing was asked for too long')),
    idleTimeoutMs,
  );
  try {
    await stream.read((frame) => {
      idle.refresh();
      const question = questionCodec.decode(frame.subarray());
      if (waiting >= MAX_PIPELINED) throw fields.invalid(`more than ${MAX_PIPELINED} questions at a time`);
      waiting += 1;
      answered = answered
        .then(() => answer(stream, question, provider, share))
        // The stream is of no more use; reading it ends too.
        .catch((error: unknown) => stream.abort(toMeshError(error)))
        .finally(() => (waiting -= 1));
    });
    await answered;
  } finally {
    clearTimeout(idle);
  }
}

async function answer(
  stream: FrameStream,
  question: Question,
  provider: InspectProvider | undefined,
  share: Share,
): Promise<void> {
  const found = answerCodec.encode(await answerTo(question, provider));
  const hasRoom = share.hold(found.byteLength);
  try {
    await stream.write(hasRoom ? found : answerCodec.encode(CROWDED));
  } finally {
    share.hold(0);
  }
}

const CROWDED: Answer = {
  kind: 'refused',
  code: 'OVERLOADED',
  message: 'answers to other peers take the memory there is for them; ask again later',
};

async function answerTo(question: Question, provider: InspectProvider | undefined): Promise<Answer> {
  try {
    if (provider === undefined) throw new MeshError('OVERLOADED', 'too many questions at a time; ask again later');
    if (question.kind === 'clock') return { kind: 'clock', clockMs: provider.clockMs() };
    const bytes = await documentFor(question, provider);
    if (bytes === null) return { kind: 'absent' };
    if (bytes.byteLength <= MAX_DOCUMENT_BYTES) return { kind: 'document', bytes };
    throw new MeshError('PAYLOAD_TOO_LARGE', `the answer has ${bytes.byteLength} bytes, over ${MAX_DOCUMENT_BYTES}`);
  } catch (error) {
    const { code, message } = toMeshError(error);
    return { kind: 'refused', code, message };
  }
}

function documentFor(
  question: Exclude<Question, { readonly kind: 'clock' }>,
  provider: InspectProvider,
): Uint8Array | null | Promise<Uint8Array | null> {
  switch (question.kind) {
    case 'account':
      return provider.account(question.requestId);
    case 'plan':
      return provider.plan(question.digest);
    case 'requests':
      return provider.requests();
    case 'card':
      return provider.card();
  }
}

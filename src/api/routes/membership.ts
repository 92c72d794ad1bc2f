/** `/tilemesh/v1/admin`: who may be a member, and whether this one takes work. For whoever has the token, wherever the API listens. */
import type { FastifyInstance } from 'fastify';
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import { ADMIN_PATH } from '../guard.ts';
import type { RouteContext } from './context.ts';

interface PeerBody {
  readonly Body: { readonly peer?: unknown } | null;
}

const MAX_BODY_BYTES = 4096;
const CHANGES = ['trust', 'ban', 'unban'] as const;
/** As `tilemesh peers` shows them. */
const LEAST_SUFFIX = 8;

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function membershipRoutes(app: FastifyInstance, { peer }: RouteContext): Promise<void> {
  const { membership } = peer;
  const limits = { bodyLimit: MAX_BODY_BYTES };
  app.get(`${ADMIN_PATH}membership`, () => membership.view());
  app.post<{ readonly Body: { readonly admin?: unknown } | null }>(`${ADMIN_PATH}invitations`, limits, ({ body }) =>
    membership.invite(body?.admin === true),
  );
  app.post(`${ADMIN_PATH}rotate`, limits, async () => {
    await membership.rotate();
    return membership.view();
  });
  // Not a POST: that would be a request under way, which draining waits for.
  app.put(`${ADMIN_PATH}draining`, limits, async () => ({ peer: peer.self.id, isDone: await peer.drain() }));
  for (const change of CHANGES) {
    app.post<PeerBody>(`${ADMIN_PATH}${change}`, limits, async ({ body }) => {
      const named = resolvePeer(body?.peer);
      await membership[change](named);
      return { peer: named, ...membership.view() };
    });
  }

  /** A whole id, or the end of one that no other known peer has. */
  function resolvePeer(text: unknown): PeerId {
    if (typeof text !== 'string' || !/^[0-9A-Za-z]{8,128}$/.test(text)) {
      throw new MeshError('INVALID_ARGUMENT', `a peer is named by its id, or the last ${LEAST_SUFFIX} letters of it`);
    }
    const { banned, trusted, pending } = membership.view();
    const known = new Set([
      ...peer.members().map(({ id }) => id),
      ...pending.map((applicant) => applicant.peer),
      ...banned,
      ...trusted,
    ]);
    const [match, ...others] = [...known].filter((id) => id.endsWith(text));
    if (match !== undefined && others.length === 0) return match;
    // A whole id need not be known: a lost board may not be there.
    if (match === undefined && text.length >= 40) return text as PeerId;
    throw new MeshError(
      'NOT_FOUND',
      match === undefined
        ? `no peer known here has an id that ends in ${text}`
        : `several peers end in ${text}: write more of the id`,
    );
  }
}

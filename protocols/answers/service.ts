import type { ChannelComponents, ChannelOptions } from '../channel.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../mailbox.ts';
import { MAX_FRAME_BYTES, PROTOCOL_ID } from './constants.ts';
import { answerCodec, type AnswerMessage } from './messages.ts';

export type AnswersService = Mailbox<AnswerMessage>;

/** The libp2p service of `/tilemesh/answers/1.0.0`. */
export const answers =
  (init: Partial<Omit<ChannelOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): AnswersService =>
    new Mailbox(components, answerCodec, {
      ...MAILBOX_DEFAULTS,
      protocol: PROTOCOL_ID,
      ...init,
      maxFrameBytes: MAX_FRAME_BYTES,
    });

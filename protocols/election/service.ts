import type { ChannelComponents, ChannelOptions } from '../channel.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../mailbox.ts';
import { MAX_FRAME_BYTES, PROTOCOL_ID } from './constants.ts';
import { electionCodec, type ElectionMessage } from './messages.ts';

export type ElectionService = Mailbox<ElectionMessage>;

/** The libp2p service of `/tilemesh/election/1.0.0`. */
export const election =
  (init: Partial<Omit<ChannelOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): ElectionService =>
    new Mailbox(components, electionCodec, {
      ...MAILBOX_DEFAULTS,
      protocol: PROTOCOL_ID,
      ...init,
      maxFrameBytes: MAX_FRAME_BYTES,
    });

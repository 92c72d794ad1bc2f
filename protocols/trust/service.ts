import type { ChannelComponents, ChannelOptions } from '../channel.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../mailbox.ts';
import { MAX_FRAME_BYTES, PROTOCOL_ID } from './constants.ts';
import { trustCodec, type SignedDocument } from './messages.ts';

export type TrustService = Mailbox<SignedDocument>;

/** The libp2p service of `/tilemesh/trust/1.0.0`. */
export const trust =
  (init: Partial<Omit<ChannelOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): TrustService =>
    new Mailbox(components, trustCodec, {
      ...MAILBOX_DEFAULTS,
      protocol: PROTOCOL_ID,
      ...init,
      maxFrameBytes: MAX_FRAME_BYTES,
    });

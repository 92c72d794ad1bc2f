import type { ChannelComponents, ChannelOptions } from '../channel.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../mailbox.ts';
import { MAX_FRAME_BYTES, PROTOCOL_ID } from './constants.ts';
import { healthCodec, type HealthMessage } from './messages.ts';

export type HealthService = Mailbox<HealthMessage>;

/** The libp2p service of `/tilemesh/health/2.0.0`. */
export const health =
  (init: Partial<Omit<ChannelOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): HealthService =>
    new Mailbox(components, healthCodec, {
      ...MAILBOX_DEFAULTS,
      protocol: PROTOCOL_ID,
      ...init,
      maxFrameBytes: MAX_FRAME_BYTES,
    });

import type { ChannelComponents, ChannelOptions } from '../channel.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../mailbox.ts';
import { MAX_FRAME_BYTES, PROTOCOL_ID } from './constants.ts';
import { planCodec, type PlanMessage } from './messages.ts';

export type PlanService = Mailbox<PlanMessage>;

/** The libp2p service of `/tilemesh/plan/1.0.0`. */
export const plan =
  (init: Partial<Omit<ChannelOptions, 'maxFrameBytes'>> = {}) =>
  (components: ChannelComponents): PlanService =>
    new Mailbox(components, planCodec, {
      ...MAILBOX_DEFAULTS,
      protocol: PROTOCOL_ID,
      ...init,
      maxFrameBytes: MAX_FRAME_BYTES,
    });

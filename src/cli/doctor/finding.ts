/** What a check came to: how bad, what it is about, why, and the command that mends it. */

export type FindingLevel = 'ok' | 'warning' | 'problem' | 'skipped';

export interface Finding {
  readonly check: string;
  readonly level: FindingLevel;
  /** A peer, an interface, a port; may come from the network. */
  readonly subject: string;
  readonly text: string;
  readonly cause?: string;
  readonly remedy?: string;
}

export const ok = (check: string, subject: string, text: string): Finding => ({ check, level: 'ok', subject, text });

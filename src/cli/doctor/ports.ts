/** Whether the ports of all peers are open from here. */
import { connect } from 'node:net';
import type { HeardCard } from '../../core/card.ts';
import { shortId } from '../text.ts';
import { ok, type Finding } from './finding.ts';

const CONNECT_MS = 1_500;

export interface PortFact {
  readonly subject: string;
  readonly host: string;
  readonly port: number;
  /** Null where a connection came about. */
  readonly error: string | null;
}

const attempt = (host: string, port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (error: string | null): void => {
      socket.destroy();
      resolve(error);
    };
    socket.setTimeout(CONNECT_MS, () => end('ETIMEDOUT'));
    socket.once('connect', () => end(null));
    socket.once('error', (error) => end('code' in error ? String(error.code) : error.message));
  });

/** One address of each peer: not a loopback one, where it has another. */
export async function probePorts(cards: readonly HeardCard[]): Promise<readonly PortFact[]> {
  const targets = cards.flatMap(({ card }) => {
    const found = (card?.addresses ?? []).flatMap((address) => {
      const [, host, port] = /^\/ip4\/([\d.]+)\/tcp\/(\d+)/.exec(address) ?? [];
      return host === undefined ? [] : [{ host, port: Number(port) }];
    });
    const target = found.find(({ host }) => !host.startsWith('127.')) ?? found[0];
    return card === null || target === undefined ? [] : [{ subject: card.name || shortId(card.peer), ...target }];
  });
  return Promise.all(targets.map(async (target) => ({ ...target, error: await attempt(target.host, target.port) })));
}

export const judgePorts = (facts: readonly PortFact[]): readonly Finding[] =>
  facts.map(({ subject, host, port, error }) =>
    error === null
      ? ok('ports', subject, `${host}:${port} is open`)
      : {
          check: 'ports',
          level: 'problem',
          subject,
          text: `${host}:${port} cannot be reached from here (${error})`,
          cause:
            error === 'ECONNREFUSED' ? 'nothing listens there any more' : 'a firewall, or no route to that network',
          remedy: `on ${subject}: sudo ufw allow ${port}/tcp; a fixed port: tilemesh up --listen PORT`,
        },
  );

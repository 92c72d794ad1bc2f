/** Whether the certificates that peers show are good for a while yet. */
import { connect } from 'node:tls';
import { ok, type Finding } from './finding.ts';

const CONNECT_MS = 1_500;
const DAY_MS = 86_400_000;
/** Whoever renews by hand wants to know by then; programs that renew do it earlier. */
const WARNING_DAYS = 21;

export interface CertificateFact {
  /** `kitchen:8470` */
  readonly subject: string;
  /** Unix time; null where no certificate was shown. */
  readonly validToMs: number | null;
}

/** @param urls of which those of TLS are looked at, whether the certificate is trusted or not. */
export async function probeCertificates(urls: readonly URL[]): Promise<readonly CertificateFact[]> {
  const secure = urls.filter(({ protocol }) => protocol === 'https:');
  return Promise.all(secure.map(async (url) => ({ subject: url.host, validToMs: await validTo(url) })));
}

const validTo = ({ hostname, port }: URL): Promise<number | null> =>
  new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    // Nothing is sent to it.
    const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false });
    const end = (time: number | null): void => {
      socket.destroy();
      resolve(time);
    };
    socket.setTimeout(CONNECT_MS, () => end(null));
    socket.once('error', () => end(null));
    socket.once('secureConnect', () => end(socket.getPeerX509Certificate()?.validToDate.getTime() ?? null));
  });

export const judgeCertificates = (facts: readonly CertificateFact[], nowMs: number): readonly Finding[] =>
  facts.map(({ subject, validToMs }): Finding => {
    const check = 'certificate';
    if (validToMs === null) return { check, level: 'skipped', subject, text: 'no certificate was shown' };
    const date = new Date(validToMs).toISOString().slice(0, 10);
    const days = Math.floor((validToMs - nowMs) / DAY_MS);
    if (days >= WARNING_DAYS) return ok(check, subject, `valid until ${date}, ${days} days`);
    const isOver = validToMs <= nowMs;
    return {
      check,
      level: isOver ? 'problem' : 'warning',
      subject,
      text: isOver ? `out of date since ${date}` : `valid until ${date}, ${days} days more`,
      cause: 'nobody has renewed it',
      remedy: 'put a new one in the files that api.tls names: a peer that runs takes it within half a minute',
    };
  });

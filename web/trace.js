/** What the pictures of a request are made from, taken out of its trace. */

/** The plan that is shown: of the last attempt of which somebody keeps it; -1 where there is none. */
export const shownAttempt = (trace) => trace.attempts.findLastIndex(({ plan }) => plan !== null);

/** @returns {Map<string, any>} what was computed of an attempt, by `block/part` */
export function spansOf(trace, attempt) {
  const spans = new Map();
  for (const { peer, computed } of trace.peers) {
    for (const span of computed)
      if (span.attempt === attempt) spans.set(`${span.block}/${span.part}`, { ...span, peer });
  }
  return spans;
}

/** Both ends of what moved, put together. @returns {any[]} */
export function movesOf(trace) {
  const sent = new Map();
  for (const { peer, sent: own } of trace.peers) {
    for (const span of own) sent.set(`${span.attempt}/${span.piece}`, { ...span, peer });
  }
  return trace.peers.flatMap(({ peer, received }) =>
    received.flatMap((span) => {
      const from = sent.get(`${span.attempt}/${span.piece}`);
      if (from === undefined) return [];
      const { attempt, piece, bytes } = span;
      return [
        {
          attempt,
          piece,
          bytes,
          from: from.peer,
          to: peer,
          startMs: from.startMs,
          sentMs: from.endMs,
          endMs: span.endMs,
        },
      ];
    }),
  );
}

/** @returns {any[]} for each peer that had a part: tiles, the time they took, bytes in and out, in the order of the plan */
export function sharesOf(trace) {
  const attempt = shownAttempt(trace);
  const participants = trace.attempts[attempt]?.plan?.participants ?? [];
  const peers = [...new Set([...participants, ...trace.peers.map(({ peer }) => peer)])];
  const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);
  return peers.map((peer) => {
    const own = trace.peers.find((other) => other.peer === peer);
    const computed = own?.computed ?? [];
    return {
      peer,
      isParticipant: participants.includes(peer),
      tiles: computed.length,
      computeMs: sum(computed, ({ startMs, endMs }) => endMs - startMs),
      receivedBytes: sum(own?.received ?? [], ({ bytes }) => bytes),
      sentBytes: sum(own?.sent ?? [], ({ bytes }) => bytes),
    };
  });
}

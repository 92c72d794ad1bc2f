/** Requests of tests, with answers that are easy to look into. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly json: () => Record<string, unknown>;
}

async function answered(response: Response): Promise<Answered> {
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json: () => JSON.parse(bytes.toString()) as Record<string, unknown>,
  };
}

export const get = async (url: string, headers: Record<string, string> = {}): Promise<Answered> =>
  answered(await fetch(url, { headers }));

export const post = async (
  url: string,
  body: Uint8Array | string | object,
  headers: Record<string, string> = {},
): Promise<Answered> => {
  const isSent = typeof body === 'string' || body instanceof Uint8Array;
  const sent = isSent ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body);
  return answered(await fetch(url, { method: 'POST', body: sent, headers }));
};

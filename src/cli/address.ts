/** Where a peer is asked when nothing else is said. */
export const DEFAULT_API = '127.0.0.1:8470';

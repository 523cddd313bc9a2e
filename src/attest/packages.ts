/** Installed packages from the databases of dpkg and apk (deb-control(5), apk "installed" file). */

/** A package as its manager knows it. */
export interface InstalledPackage {
  readonly manager: 'dpkg' | 'apk';
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Undefined: its manager does not say. */
  readonly license: string | undefined;
  readonly supplier: string | undefined;
}

/** Fields of one paragraph; continuation lines are left out. */
function fields(paragraph: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of paragraph.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0 && !/^\s/.test(line)) found.set(line.slice(0, at), line.slice(at + 1).trim());
  }
  return found;
}

/** Packages of /var/lib/dpkg/status, or of a file in status.d; removed ones are left out. */
export function parseDpkg(text: string): InstalledPackage[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const found = fields(paragraph);
    const [name, version] = [found.get('Package'), found.get('Version')];
    const status = found.get('Status');
    // Files in status.d (distroless images) have no Status.
    if (!name || !version || (status !== undefined && !/ installed$/.test(status))) return [];
    return [
      {
        manager: 'dpkg',
        name,
        version,
        architecture: found.get('Architecture') ?? 'all',
        license: undefined,
        supplier: found.get('Maintainer'),
      },
    ];
  });
}

/** Packages of /lib/apk/db/installed. */
export function parseApk(text: string): InstalledPackage[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const found = fields(paragraph);
    const [name, version] = [found.get('P'), found.get('V')];
    if (!name || !version) return [];
    return [
      {
        manager: 'apk',
        name,
        version,
        architecture: found.get('A') ?? 'noarch',
        license: found.get('L'),
        supplier: found.get('m'),
      },
    ];
  });
}

/** ID of /etc/os-release; undefined when it has none. */
export function parseOsId(text: string): string | undefined {
  return /^ID=["']?([a-z0-9._-]+)["']?$/m.exec(text)?.[1];
}

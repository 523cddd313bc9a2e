/**
 * The image config, as far as a build changes it: OCI image-spec, config.md ("Properties"), plus
 * Docker's fields that Dockerfile instructions set (Shell, Healthcheck, OnBuild).
 */

/** Healthcheck of Docker's image config; durations in nanoseconds. */
export interface Healthcheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The `config` object of an image: defaults for the container that runs it. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  /** `NAME=value`, in the order of their first definition. */
  readonly Env: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
}

/** One entry of the image's history, oldest first. */
export interface HistoryEntry {
  readonly created_by: string;
  readonly empty_layer: boolean;
  /** Of a base image's entries: when (RFC 3339), by whom. An entry of this build has none. */
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
}

/** The comment of an entry that an instruction made: what BuildKit writes, and other tools look for. */
export const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

/** PATH of a container whose image sets none; the value Docker and BuildKit use on Linux. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The same on Windows. */
const WINDOWS_PATH = 'c:\\Windows\\System32;c:\\Windows';

/** Is it an image of Windows? @param platform `os/architecture` or the operating system alone */
export function isWindows(platform: string): boolean {
  return platform === 'windows' || platform.startsWith('windows/');
}

/** PATH of an image that sets none. @param platform as isWindows */
export function defaultPath(platform: string): string {
  return isWindows(platform) ? WINDOWS_PATH : DEFAULT_PATH;
}

/** The default of SHELL (Dockerfile reference, SHELL). @param platform as isWindows */
export function defaultShell(platform: string): readonly string[] {
  return isWindows(platform) ? ['cmd', '/S', '/C'] : ['/bin/sh', '-c'];
}

/** Config of FROM scratch, as BuildKit makes it. */
export function scratchConfig(platform: string): ContainerConfig {
  return { Env: [`PATH=${defaultPath(platform)}`], WorkingDir: '/' };
}

/** `Env` as pairs; a name that comes twice counts once, with its last value at its first place. */
export function envPairs(env: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const item of env) {
    const at = item.indexOf('=');
    if (at === -1) pairs.set(item, '');
    else pairs.set(item.slice(0, at), item.slice(at + 1));
  }
  return pairs;
}

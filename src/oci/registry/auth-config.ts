/** Which registries are reached how: insecure ones, mirrors, an own certificate authority. */
import { UsageError } from '../../util/errors.js';
import { hintOf } from '../../util/file-trouble.js';
import { readSettings } from '../../util/regular-file.js';
import { getMessage, ImageError } from '../image-error.js';

/** Settings for all registries of one wiac process. */
export interface RegistryConfig {
  /** `host[:port]` of registries that may use http, or an untrusted certificate. */
  readonly insecure: ReadonlySet<string>;
  /** Mirrors by the `host[:port]` that they mirror, in the order in which they are asked. */
  readonly mirrors: ReadonlyMap<string, readonly string[]>;
  /** PEM certificates to trust besides the well-known ones. */
  readonly ca: string | undefined;
  /** Certificates for every registry, instead of those that this machine has for each. */
  readonly certDir?: string | undefined;
  /** What the command line says of every registry: true wants TLS, false takes anything. */
  readonly tlsVerify?: boolean | undefined;
  /** Environment for proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, and in lower case. */
  readonly env: NodeJS.ProcessEnv;
}

function list(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function readMirrors(text: string | undefined): Map<string, string[]> {
  const mirrors = new Map<string, string[]>();
  for (const item of list(text)) {
    const [host, mirror, ...rest] = item.split('=').map((part) => part.trim());
    if (!host || !mirror || rest.length > 0)
      throw new ImageError(`WIAC_REGISTRY_MIRRORS: "${item}" is not host=mirror`, {
        hint: 'for example docker.io=mirror.example.org:5000',
      });
    mirrors.set(host, [...(mirrors.get(host) ?? []), mirror]);
  }
  return mirrors;
}

function readCa(file: string | undefined): string | undefined {
  if (file === undefined || file === '') return undefined;
  try {
    return readSettings(file).toString();
  } catch (cause) {
    throw new UsageError(`WIAC_REGISTRY_CA=${file}: ${getMessage(cause)}`, {
      cause,
      hint: hintOf(cause),
    });
  }
}

/**
 * Reads WIAC_INSECURE_REGISTRIES (`host[:port],...`), WIAC_REGISTRY_MIRRORS (`host=mirror,...`)
 * and WIAC_REGISTRY_CA (a file).
 * @throws ImageError
 */
export function readRegistryConfig(env: NodeJS.ProcessEnv): RegistryConfig {
  return {
    insecure: new Set(list(env.WIAC_INSECURE_REGISTRIES)),
    mirrors: readMirrors(env.WIAC_REGISTRY_MIRRORS),
    ca: readCa(env.WIAC_REGISTRY_CA),
    env,
  };
}

/** How something is reached: a configuration, or the variables that it is read from; those of this process. */
export interface Access {
  readonly config?: RegistryConfig | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** @throws ImageError */
export function accessConfig({ config, environment = process.env }: Access): RegistryConfig {
  return config ?? readRegistryConfig(environment);
}

/** Whether the host is this machine. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

/** Host name of `host[:port]`, without brackets. */
export function getHostname(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** How to reach one registry. */
export interface Endpoint {
  /** `host[:port]` as the user writes it. */
  readonly host: string;
  /** `host[:port]` to connect to. */
  readonly address: string;
  /** Whether http will do when the registry speaks no TLS. */
  readonly mayUseHttp: boolean;
  /** Whether the certificate must be valid. */
  readonly verifyCertificate: boolean;
}

/**
 * The endpoint of a registry. As with Docker, a registry on this machine may speak http; but
 * unlike there, when it does speak TLS its certificate counts.
 */
export function getEndpoint(host: string, config: RegistryConfig): Endpoint {
  const { tlsVerify } = config;
  const listed = config.insecure.has(host) || config.insecure.has(getHostname(host));
  const insecure = tlsVerify === undefined ? listed : !tlsVerify;
  return {
    host,
    address: host === 'docker.io' ? 'registry-1.docker.io' : host,
    mayUseHttp: insecure || (tlsVerify === undefined && isLoopback(getHostname(host))),
    verifyCertificate: !insecure,
  };
}

/** Translates options that have the same meaning as others, so that the rest of wiac sees only one form. */
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { EPOCH_ARGUMENT } from '../plan/epoch.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { readText } from './given-text.js';

/** As commander gives them. */
export interface CombinedOptions {
  readonly buildArg: readonly string[];
  readonly buildArgFile?: readonly string[];
  readonly httpProxy?: boolean;
  readonly sourceDateEpoch?: number;
  readonly timestamp?: number;
  readonly rewriteTimestamp?: boolean;
  readonly platform?: string;
  readonly os?: string;
  readonly arch?: string;
  readonly variant?: string;
}

/** `NAME=VALUE` on each line; empty lines and those with a # first are left out. @throws UsageError */
function readArguments(file: string): string[] {
  try {
    const lines = readText(file).split(/\r?\n/);
    return lines.map((line) => line.trimStart()).filter((line) => line !== '' && line[0] !== '#');
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`--build-arg-file ${file}: ${message}`, { cause, hint: hintOf(cause) });
  }
}

const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/** Those of the environment, by their names: their values are looked up like those of others. */
function proxyArguments({ httpProxy }: CombinedOptions): string[] {
  if (httpProxy !== true) return [];
  const names = PROXIES.flatMap((name) => [name, name.toUpperCase()]);
  return names.filter((name) => (process.env[name] ?? '') !== '');
}

/** --os, --arch and --variant as one platform. @throws UsageError */
function getPlatform({ platform, os, arch, variant }: CombinedOptions): string | undefined {
  if (os === undefined && arch === undefined && variant === undefined) return platform;
  if (platform !== undefined)
    throw new UsageError('--platform and --os, --arch or --variant exclude each other', {
      hint: 'give only one of them',
    });
  const own = hostPlatform();
  // The variant of this machine says nothing of another architecture.
  const same = arch === undefined ? own.variant : undefined;
  const chosen = variant ?? same;
  return formatPlatform({
    os: os ?? own.os,
    architecture: arch ?? own.architecture,
    ...(chosen === undefined ? {} : { variant: chosen }),
  });
}

/**
 * The options with build arguments and platform as they are meant: what stands on the command line
 * itself counts before what a file says.
 * @throws UsageError
 */
export function combineOptions<T extends CombinedOptions>(options: T): T {
  const { sourceDateEpoch: epoch, buildArg, buildArgFile = [] } = options;
  if (options.timestamp !== undefined && (epoch !== undefined || options.rewriteTimestamp))
    throw new UsageError(
      '--timestamp and --source-date-epoch or --rewrite-timestamp exclude each other',
      {
        hint: 'give only one of them',
      },
    );
  const platform = getPlatform(options);
  return {
    ...options,
    buildArg: [
      ...proxyArguments(options),
      ...buildArgFile.flatMap(readArguments),
      ...(epoch === undefined ? [] : [`${EPOCH_ARGUMENT}=${epoch}`]),
      ...buildArg,
    ],
    ...(platform === undefined ? {} : { platform }),
  };
}

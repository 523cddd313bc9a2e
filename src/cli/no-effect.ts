/** Options of docker, podman and buildah that are taken because scripts have them. */
import { UsageError } from '../util/errors.js';

/** As commander gives them. */
export interface NoEffectOptions {
  readonly load: boolean;
  readonly rm: boolean;
  readonly forceRm: boolean;
  readonly compress: boolean;
  readonly layers: boolean;
  readonly disableContentTrust: boolean;
  /** -D */
  readonly D: boolean;
  readonly builder?: string;
  readonly disableCompression: boolean;
  readonly identityLabel?: boolean;
  /** False: --no-hostname. */
  readonly hostname: boolean;
  readonly skipUnusedStages?: boolean;
  readonly unsetannotation?: readonly string[];
  readonly format: 'text' | 'json' | 'oci' | 'docker';
  readonly check: boolean;
}

/** One line for each that was given. @throws UsageError when one contradicts --check */
export function saidOfNoEffect(options: NoEffectOptions): string[] {
  const { format, check } = options;
  const isImageFormat = format === 'oci' || format === 'docker';
  if (check && isImageFormat)
    throw new UsageError(`--format ${format} is no format of --check`, {
      hint: 'use text or json',
    });
  if (options.skipUnusedStages === false)
    throw new UsageError('--skip-unused-stages=false: wiac never builds unneeded stages', {
      hint: 'build them one by one with --target',
    });
  const lines: [boolean, string, string][] = [
    [options.load, '--load', "the result is in wiac's store; there is no daemon to load it into"],
    [options.rm, '--rm', 'no container is left in any case'],
    [options.forceRm, '--force-rm', 'no container is left in any case'],
    [options.compress, '--compress', 'wiac sends the build context nowhere'],
    [options.layers, '--layers', 'every step is kept in any case'],
    [options.disableContentTrust, '--disable-content-trust', 'there is no content trust'],
    [options.builder !== undefined, '--builder', 'there is one builder, wiac'],
    [options.disableCompression, '--disable-compression', 'only what is pushed is compressed'],
    [options.identityLabel !== undefined, '--identity-label', 'wiac adds no label of its own'],
    [!options.hostname, '--no-hostname', '/etc/hostname is that of the image in any case'],
    [options.skipUnusedStages === true, '--skip-unused-stages', 'they are skipped in any case'],
    [
      options.unsetannotation !== undefined,
      '--unsetannotation',
      'annotations of a base image are not taken over',
    ],
    [
      options.D,
      '-D',
      '--progress=plain shows all there is; --debug opens a shell where a step fails',
    ],
    [
      isImageFormat && !check,
      `--format ${format}`,
      'the form of an image is said where it goes: -o type=image,oci-mediatypes=true or false',
    ],
  ];
  return lines.flatMap(([given, name, why]) => (given ? [`${name} changes nothing: ${why}`] : []));
}

/** Declares the commands for images: `wiac pull`, `push`, `images`. */
import { type Command, Option } from 'commander';
import type { SetExitCode } from './options.js';

/** wiac pull, push, images */
export function addImages(program: Command, setExitCode: SetExitCode): void {
  program
    .command('pull')
    .summary('fetch an image from a registry, an OCI layout or an archive')
    .argument(
      '<reference>',
      'such as debian:12, host:5000/name:tag, oci-layout://DIR:NAME, docker-archive:FILE',
    )
    .option('-t, --tag <name>', 'name to keep it under (default: the reference)')
    .option('--platform <platform>', "os/architecture[/variant] (default: this machine's)")
    .action(async (reference: string, options) => {
      await (await import('../images.js')).pullCommand(reference, options, setExitCode);
    });
  program
    .command('push')
    .summary('write an image to a registry, an OCI layout or an archive')
    .argument('<name>', 'name or id of an image')
    .argument(
      '<reference>',
      'where to: host:5000/name:tag, oci-layout://DIR:NAME, oci-archive:FILE, docker-archive:FILE',
    )
    .option('--compression <name>', 'of its layers: gzip, zstd, uncompressed (default: gzip)')
    .option('--compression-level <n>', '1 to 9 for gzip, 1 to 22 for zstd')
    .option('--force-compression', 'give layers of base images this compression too', false)
    .option('--docker', "Docker's media types (schema 2) instead of OCI's", false)
    .action(async (name: string, reference: string, options) => {
      await (await import('../images.js')).pushCommand(name, reference, options, setExitCode);
    });
  program
    .command('images')
    .summary('list the images that have a name')
    .addOption(
      new Option('--format <format>', 'output format').choices(['table', 'json']).default('table'),
    )
    .action(async (options) => (await import('../images.js')).imagesCommand(options));
}

/** Declares the commands for images: `wiac pull`, `push`, `images`, `tag` and so on. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { addHistoryBuilds } from './declare-history.js';
import { registryOptions } from './declare-registry.js';
import type { SetExitCode } from './options.js';
import { requireSignedOption } from './options.js';

/** wiac pull, push, images, tag, rmi, inspect, history */
export function addImages(program: Command, setExitCode: SetExitCode): void {
  registryOptions(program.command('pull'))
    .summary('fetch an image from a registry, an OCI layout or an archive')
    .argument(
      '<reference>',
      'such as debian:12, host:5000/name:tag, oci-layout://DIR:NAME, docker-archive:FILE',
    )
    .option('-t, --tag <name>', 'name to keep it under (default: the reference)')
    .addOption(requireSignedOption())
    .option('--platform <platform>', "os/architecture[/variant] (default: this machine's)")
    .action(async (reference: string, options) => {
      await (await import('../images-command.js')).pullCommand(reference, options, setExitCode);
    });
  registryOptions(program.command('push'))
    .summary('write an image to a registry, an OCI layout or an archive')
    .argument('<name>', 'name or id of an image')
    .argument(
      '[reference]',
      'where to, unless its name says that: host:5000/name:tag, oci-layout://DIR:NAME, oci-archive:FILE, docker-archive:FILE',
    )
    .option('--compression <name>', 'of its layers: gzip, zstd, uncompressed (default: gzip)')
    .option('--compression-level <n>', '1 to 9 for gzip, 1 to 22 for zstd')
    .option('--force-compression', 'give layers of base images this compression too', false)
    .option('--docker', "Docker's media types (schema 2) instead of OCI's", false)
    .action(async (name: string, reference: string | undefined, options) => {
      await (await import('../images-command.js')).pushCommand(
        name,
        reference,
        options,
        setExitCode,
      );
    });
  program
    .command('images')
    .summary('list the images that have a name')
    .argument('[reference]', "only images of this name; * and ? as in a shell, as in 'debian:*'")
    .option('-a, --all', 'also images that lost their name to another one', false)
    .option('-q, --quiet', 'only the ids', false)
    .option('--digests', 'also the digests of images that were pulled', false)
    .option('--no-trunc', 'whole ids')
    .option(
      '-f, --filter <key=value>',
      'reference=PATTERN, label=KEY[=VALUE], dangling=true, before=NAME, since=NAME',
      collect,
      [],
    )
    .option('--format <format>', 'table, json, or fields like {{.Repository}}:{{.Tag}}', 'table')
    .action(async (reference: string | undefined, options) => {
      await (await import('../list-images.js')).imagesCommand(reference, options, setExitCode);
    });
  program
    .command('tag')
    .summary('give an image further names')
    .argument('<name>', 'name or id of an image')
    .argument('<newnames...>', 'such as app:1.2, host:5000/app')
    .action(async (name: string, newNames: string[]) => {
      await (await import('../tag.js')).tagCommand(name, newNames, setExitCode);
    });
  program
    .command('rmi')
    .summary('remove names, and with the last one the image; layers of steps stay in the cache')
    .argument('<names...>', 'names or ids of images')
    .option('-f, --force', 'also all names of an id, and nothing said of what is not there', false)
    .action(async (names: string[], options) => {
      await (await import('../tag.js')).rmiCommand(names, options, setExitCode);
    });
  program
    .command('inspect')
    .summary('show all that is known of images, as JSON')
    .argument('<names...>', 'names or ids of images')
    .option(
      '-f, --format <format>',
      'json, or fields like {{.Id}} and {{json .Config.Env}}',
      'json',
    )
    .action(async (names: string[], options) => {
      await (await import('../inspect.js')).inspectCommand(names, options, setExitCode);
    });
  const history = program
    .command('history')
    .summary('show the instructions an image was made by; history builds: former builds')
    .argument('<name>', 'name or id of an image; an image called builds is builds:latest')
    .option('--no-trunc', 'whole instructions')
    .addOption(
      new Option('--format <format>', 'output format').choices(['table', 'json']).default('table'),
    )
    .action(async (name: string, options) => {
      await (await import('../inspect.js')).historyCommand(name, options, setExitCode);
    });
  addHistoryBuilds(history);
}

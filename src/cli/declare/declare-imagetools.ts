/** Declares `wiac imagetools create` and `wiac imagetools inspect`. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';

const REFERENCE = 'reference of a registry, oci-layout://DIR[:NAME] or oci-archive:FILE';

/** wiac imagetools */
export function addImagetools(program: Command): void {
  const imagetools = program
    .command('imagetools')
    .summary('make an image of several others, and show what registries have');
  imagetools
    .command('create')
    .summary('make one image of several: an index of all that they have')
    .description(
      'Makes an index of images and of the entries of indexes, and puts it under each --tag with all\nthat it names. One index alone is copied as it is. What a registry has it mounts by itself; only\nwhat comes from elsewhere goes through this machine.',
    )
    .argument('[sources...]', `${REFERENCE}, or a digest`)
    .option('-t, --tag <reference>', 'where it goes, can be given several times', collect, [])
    .option('--append', 'add to what the first --tag has already', false)
    .option('--dry-run', 'print the index, put it nowhere', false)
    .option(
      '-f, --file <file>',
      'a source in a file: a reference, a digest, or a descriptor as JSON',
      collect,
      [],
    )
    .option(
      '--annotation <part:key=value>',
      'annotation of index or manifest-descriptor[PLATFORM]',
      collect,
      [],
    )
    .option('-p, --platform <platform>', 'only the images for it, can be a list', collect, [])
    .addOption(
      new Option('--prefer-index <boolean>', 'an index of one image too; false copies the image')
        .choices(['true', 'false'])
        .default('true'),
    )
    .option('--metadata-file <file>', 'write descriptor, digest and names as JSON')
    .addOption(
      new Option('--progress <mode>', 'quiet and none say nothing of what was put where')
        .choices(['auto', 'plain', 'tty', 'quiet', 'none'])
        .default('auto'),
    )
    .action(async (sources: string[], options) => {
      await (await import('../imagetools-command.js')).createCommand(sources, options);
    });
  imagetools
    .command('inspect')
    .summary('show a manifest or an index where it is, pull nothing')
    .argument('<reference>', REFERENCE)
    .option('--raw', 'the bytes as they are', false)
    .option(
      '--format <template>',
      'fields like {{json .Manifest}}, {{json .Image}}, {{json .Provenance}}, {{json .SBOM}},\n{{json (index .Image "linux/arm64")}}',
    )
    .action(async (reference: string, options) => {
      await (await import('../imagetools-command.js')).inspectRemoteCommand(reference, options);
    });
}

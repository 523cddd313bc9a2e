/** Declares the commands that look into images: `wiac sbom`, `provenance`, `diff`. */
import { type Command, Option } from 'commander';
import { lockOptions } from './declare-lock.js';
import { registryOptions } from './declare-registry.js';
import { STEP } from './declare-steps.js';
import type { SetExitCode } from './options.js';
import { dockerfileOptions } from './options.js';

const IMAGE =
  'name or id of an image of the store, else a reference: host:5000/name:tag,\noci-layout://DIR[:NAME], oci-archive:FILE, docker-archive:FILE; docker:// asks the registry at once';

function platformOption(command: Command): Command {
  return command.option(
    '--platform <platform>',
    "os/architecture[/variant] (default: this machine's)",
  );
}

/** wiac sbom, provenance, diff */
export function addContents(program: Command, setExitCode: SetExitCode): void {
  platformOption(registryOptions(program.command('sbom')))
    .summary('show the packages of an image, as its SBOM lists them')
    .description(
      'Shows the SBOM (SPDX) that an image carries. Of an image of the store that carries none, wiac makes one\nof what dpkg and apk have installed in its layers.',
    )
    .argument('<name>', IMAGE)
    .addOption(
      new Option('--format <format>', 'spdx: the document; text: a table of packages')
        .choices(['spdx', 'text'])
        .default('spdx'),
    )
    .action(async (name: string, options) => {
      await (await import('../carried-command.js')).sbomCommand(name, options, setExitCode);
    });
  platformOption(registryOptions(program.command('provenance')))
    .summary('show how an image was built, as its provenance says')
    .argument('<name>', IMAGE)
    .addOption(
      new Option('--format <format>', 'slsa: the document; text: by whom, and from what')
        .choices(['slsa', 'text'])
        .default('slsa'),
    )
    .action(async (name: string, options) => {
      await (await import('../carried-command.js')).provenanceCommand(name, options, setExitCode);
    });
  lockOptions(dockerfileOptions(program.command('diff')))
    .summary('show what a step changed, or what two steps or images differ in: files, or packages')
    .usage('[options] <path> <step> [step]\n       wiac diff [options] <image> <image>')
    .description(
      `Lists the files that were added (A), changed (C) and deleted (D), with their sizes: by a step, or from the first of two steps or images to the second. Times of files are not compared. Prints nothing when nothing differs. Steps have to be in the cache: nothing is built. The first word is a build context when it is written as a path (., ./NAME), or is a directory and no image of the store. The options of builds are for steps.\n\nAn image is the ${IMAGE.replaceAll('\n', ' ')}.`,
    )
    .argument('<first>', 'a build context, or an image')
    .argument('<second>', STEP)
    .argument('[third]', 'the same, for steps')
    .option('-p, --patch', 'what small text files differ in, as git diff has it', false)
    .option(
      '--packages',
      'packages instead: added, removed, upgraded, downgraded; of layers that are here,\nelse of the SBOM that the image carries, else of layers that are fetched',
      false,
    )
    .option('--json', 'as JSON', false)
    .option('--exit-code', 'end with 1 when something differs, as git diff has it', false)
    .action(async (first: string, second: string, third: string | undefined, options) => {
      const { diffCommand } = await import('../diff-command.js');
      const words = [first, second, ...(third === undefined ? [] : [third])];
      await diffCommand(words, options, setExitCode);
    });
}

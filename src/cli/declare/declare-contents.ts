/** Declares the commands that look into images: `wiac sbom`, `provenance`, `diff`. */
import { type Command, Option } from 'commander';
import { registryOptions } from './declare-registry.js';
import type { SetExitCode } from './options.js';

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
  platformOption(registryOptions(program.command('diff')))
    .summary('show what two images differ in: files, or packages')
    .description(
      'Lists the files that the second image has and the first has not (A), both have and differ in (C), and\nonly the first has (D). Times of files are not compared. Prints nothing when nothing differs.',
    )
    .argument('<before>', IMAGE)
    .argument('<after>', 'likewise')
    .option(
      '--packages',
      'packages instead: added, removed, upgraded, downgraded; of layers that are here,\nelse of the SBOM that the image carries, else of layers that are fetched',
      false,
    )
    .option('--json', 'as JSON', false)
    .option('--exit-code', 'end with 1 when something differs, as git diff has it', false)
    .action(async (before: string, after: string, options) => {
      const { diffImagesCommand } = await import('../diff-command.js');
      await diffImagesCommand(before, after, options, setExitCode);
    });
}

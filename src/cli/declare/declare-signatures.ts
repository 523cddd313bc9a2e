/** Declares `wiac sign` and `wiac verify-image`. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { registryOptions } from './declare-registry.js';

const REFERENCE = 'in a registry, or oci-layout://DIR[:NAME]';
const ANNOTATIONS = '-a, --annotations <key=value>';

/** wiac sign, verify-image */
export function addSignatures(program: Command): void {
  registryOptions(program.command('sign'))
    .summary('sign an image with a key, as cosign does')
    .description(
      'Signs the manifest or index that a reference names, and puts the signature beside it. Those of\nother keys stay. Prints what is signed, by digest.',
    )
    .argument('<reference>', REFERENCE)
    .requiredOption(
      '--key <file>',
      'private key, ed25519 or ECDSA P-256: PEM, or as cosign generate-key-pair\nwrites it ($COSIGN_PASSWORD); env://VARIABLE has the key itself',
    )
    .option(ANNOTATIONS, 'signed as well, can be given several times', collect, [])
    .option('-r, --recursive', 'of an index, all that it names too', false)
    .option(
      '--sign-container-identity <name>',
      'what the signature calls the image (default: its repository)',
    )
    .addOption(
      new Option(
        '--registry-referrers-mode <mode>',
        'legacy: below the tag sha256-DIGEST.sig;\noci-1-1: as a manifest that refers to the image',
      )
        .choices(['legacy', 'oci-1-1'])
        .default('legacy'),
    )
    .action(async (reference: string, options) => {
      await (await import('../sign-command.js')).signCommand(reference, options);
    });
  registryOptions(program.command('verify-image'))
    .summary('verify who signed an image, as cosign verify --key does')
    .description(
      'Reads the signatures beside an image, and prints what was signed as JSON. Exit code 15: none is of\nthe key, and of this image.',
    )
    .argument('<reference>', REFERENCE)
    .addOption(
      new Option('--key <file>', 'public key (PEM), or env://VARIABLE; of several one is enough')
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .option(
      ANNOTATIONS,
      'the signer must have written this, can be given several times',
      collect,
      [],
    )
    .option(
      '--match-repository',
      'the signer must have called the image as it is called here: a signed copy\nunder another name does not count',
      false,
    )
    .action(async (reference: string, options) => {
      await (await import('../sign-command.js')).verifyImageCommand(reference, options);
    });
}

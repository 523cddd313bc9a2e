/** RUN as a step. */
import type { RunInstruction } from '../dockerfile/ast.js';
import { parseMount } from '../dockerfile/mounts.js';
import { DockerfileError, UnsupportedError } from '../errors.js';
import type { ContainerConfig } from '../image/config.js';
import { envPairs } from '../image/config.js';
import { DEFAULT_SHELL } from './config-changes.js';
import type { Expander } from './scope.js';
import type { RunStep, StepId } from './step.js';

type Operands = Omit<RunStep, 'id' | 'parent' | 'text' | 'stage' | 'location'>;

/** Where a script from a here-document with a `#!` line is shown to the step. */
export const SCRIPT_PATH = '/run/wiac/script';

/** Program and arguments; here-documents go to the shell, or become a script of their own. */
function command(
  instruction: RunInstruction,
  shell: readonly string[],
): Pick<RunStep, 'argv' | 'script'> {
  const { heredocs, command: written } = instruction;
  if (written.form === 'exec') return { argv: written.argv, script: undefined };
  const [only] = heredocs;
  const text = written.text.trim();
  if (!only) return { argv: [...shell, written.text], script: undefined };
  if (heredocs.length === 1 && /^\d*<<-?\s*(["']?)[^\s"']+\1$/.test(text)) {
    if (only.content.startsWith('#!'))
      return { argv: [...shell, SCRIPT_PATH], script: only.content };
    return { argv: [...shell, only.content], script: undefined };
  }
  const full = heredocs.reduce(
    (all, { name, content }) => `${all}\n${content}${name}`,
    written.text,
  );
  return { argv: [...shell, full], script: undefined };
}

/**
 * The operands of RUN.
 * @param args ARG values in effect: environment of the program, unless ENV sets the same name
 * @param hidden predefined arguments that stay out of the key
 */
export function runStep(
  instruction: RunInstruction,
  config: ContainerConfig,
  args: ReadonlyMap<string, string>,
  hidden: readonly (readonly [string, string])[],
  expand: Expander,
  findStage: (reference: string) => StepId,
): Operands {
  const { flags, location } = instruction;
  const flag = (name: string) => flags.find((item) => item.name === name);
  const network = flag('network')?.value ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw new DockerfileError(`--network=${network} is not a network`, location, {
      hint: 'use default, none or host',
    });
  }
  const security = flag('security')?.value ?? 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure') {
    throw new DockerfileError(`--security=${security} is not a security mode`, location, {
      hint: 'use sandbox or insecure',
    });
  }
  const [mount] = flags.filter(({ name }) => name === 'mount');
  if (mount) throw new UnsupportedError('RUN --mount is not supported yet', mount.location);
  if (security === 'insecure') {
    throw new UnsupportedError('RUN --security=insecure is not supported yet', location);
  }
  void [expand, findStage, parseMount];
  return {
    kind: 'run',
    reads: [],
    ...command(instruction, config.Shell ?? DEFAULT_SHELL),
    env: [...new Map([...args, ...envPairs(config.Env)])],
    hiddenEnv: hidden,
    workdir: config.WorkingDir,
    user: config.User ?? '',
    mounts: [],
    mountSources: [],
    network,
    security,
  };
}

/** RUN as a step. */
import { posix } from 'node:path';
import type { InstructionFlag, RunInstruction } from '../dockerfile/ast.js';
import type { RunMount } from '../dockerfile/mount-flags.js';
import { parseMount } from '../dockerfile/mount-flags.js';
import { defaultShell } from '../oci/image-config.js';
import { DockerfileError, UnsupportedError } from '../util/errors.js';
import type { PlacedRun, PlanOptions } from './plan.js';
import type { Expander } from './scope.js';
import type { ConfigFields } from './stage-config.js';
import type { RunStep, StepId } from './step.js';

type Operands = Omit<RunStep, 'id' | 'parent' | 'text' | 'stage' | 'platform' | 'location'>;

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

/** What RUN depends on besides its own words. */
export interface RunScope {
  readonly config: ConfigFields;
  /** Variables of ENV. */
  readonly env: ReadonlyMap<string, string>;
  /** ARG values in effect: environment of the program, unless ENV sets the same name. */
  readonly args: ReadonlyMap<string, string>;
  /** Predefined arguments that stay out of the key. */
  readonly hidden: readonly (readonly [string, string])[];
  readonly expand: Expander;
  readonly options: PlanOptions;
  readonly run: PlacedRun;
  /** Of the stage. */
  readonly platform: string;
  /**
   * The step that holds the files of a stage, image or context, at their own path; undefined is
   * the build context. Throws if there is none of that name.
   */
  readonly findFiles: (reference: string | undefined, path: string) => StepId;
}

function oneOf<T extends string>(flag: InstructionFlag, values: readonly T[]): T {
  const value = values.find((item) => item === flag.value);
  if (value !== undefined) return value;
  throw new DockerfileError(`--${flag.name}=${flag.value ?? ''} is not known`, flag.location, {
    hint: `use ${values.join(', ')}`,
  });
}

function findFlag(instruction: RunInstruction, name: string): InstructionFlag | undefined {
  return instruction.flags.find((item) => item.name === name);
}

function getNetwork(instruction: RunInstruction, { options, run }: RunScope): RunStep['network'] {
  const flag = findFlag(instruction, 'network');
  const asked = flag === undefined ? 'default' : oneOf(flag, ['default', 'none', 'host']);
  const granted = options.network === 'host' || options.allowed.includes('network.host');
  if (flag && asked === 'host' && !granted) {
    throw new DockerfileError('--network=host is not allowed', flag.location, {
      hint: 'if you trust this Dockerfile with the network of this machine: wiac build --allow network.host',
    });
  }
  if (options.mayConnect?.(run) === false) return 'none';
  return asked === 'default' ? options.network : asked;
}

function getSecurity(instruction: RunInstruction, options: PlanOptions): RunStep['security'] {
  const flag = findFlag(instruction, 'security');
  if (flag === undefined) return 'sandbox';
  const security = oneOf(flag, ['sandbox', 'insecure']);
  if (security === 'insecure' && !options.allowed.includes('security.insecure')) {
    throw new DockerfileError('--security=insecure is not allowed', flag.location, {
      hint: 'if you trust this Dockerfile with this machine: wiac build --allow security.insecure',
    });
  }
  return security;
}

type Mounts = Pick<RunStep, 'mounts' | 'mountSources' | 'reads'>;

function getMounts(instruction: RunInstruction, scope: RunScope): Mounts {
  const { config, expand, findFiles } = scope;
  const reads: StepId[] = [];
  const mountSources: (number | undefined)[] = [];
  const mounts = instruction.flags
    .filter(({ name }) => name === 'mount')
    .map(({ value = '', location }): RunMount => {
      const mount = parseMount(value, location, (text) => expand(text, location));
      const source = mountSource(mount, findFiles);
      mountSources.push(source === undefined ? undefined : reads.push(source) - 1);
      if (mount.target === undefined) return mount;
      const target = posix.resolve(config.WorkingDir, mount.target);
      if (target === '/') {
        throw new DockerfileError(`--mount=${value} would hide the whole image`, location, {
          hint: 'mount somewhere below /: target=/PATH',
        });
      }
      return { ...mount, target };
    });
  return { mounts, mountSources, reads };
}

function mountSource(mount: RunMount, findFiles: RunScope['findFiles']): StepId | undefined {
  if (mount.type !== 'bind' && mount.type !== 'cache') return undefined;
  if (mount.type === 'cache' && mount.from === undefined) return undefined;
  return findFiles(mount.from, mount.source);
}

/** A step that asked for a device would be another one without it. */
function refuseDevices(instruction: RunInstruction): void {
  const flag = findFlag(instruction, 'device');
  if (flag === undefined) return;
  throw new UnsupportedError(`RUN --device=${flag.value}: wiac gives no devices`, flag.location, {
    hint: 'build this stage with BuildKit, or remove --device if the step works without it',
  });
}

/** The operands of RUN. @throws DockerfileError, UnsupportedError */
export function runStep(instruction: RunInstruction, scope: RunScope): Operands {
  const { config, env, args, hidden, options } = scope;
  refuseDevices(instruction);
  return {
    kind: 'run',
    ...command(instruction, config.Shell ?? defaultShell(scope.platform)),
    env: [...new Map([...args, ...env])],
    hiddenEnv: hidden,
    workdir: config.WorkingDir,
    user: config.User ?? '',
    ...getMounts(instruction, scope),
    network: getNetwork(instruction, scope),
    security: getSecurity(instruction, options),
    resources: options.resources,
  };
}

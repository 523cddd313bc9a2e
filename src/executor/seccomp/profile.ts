/**
 * Which system calls a program may make: profiles as Docker and the OCI runtimes have them, and which of their
 * rules count for a container.
 */

/** What the kernel does with a call; values of SECCOMP_RET_* in linux/seccomp.h, with their data. */
export type Action = number;

export const ALLOW: Action = 0x7fff0000;
export const LOG: Action = 0x7ffc0000;
export const TRACE: Action = 0x7ff00000;
export const TRAP: Action = 0x00030000;
export const KILL_THREAD: Action = 0x00000000;
export const KILL_PROCESS: Action = 0x80000000;

/** The call fails with this error. */
export function fail(errno: number): Action {
  return 0x00050000 | errno;
}

export const EPERM = 1;
export const ENOSYS = 38;

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'masked';

/** What an argument of a call must be. */
export interface Condition {
  /** 0 to 5. */
  readonly argument: number;
  readonly operator: Operator;
  readonly value: bigint;
  /** For `masked`: those bits of the argument have this value, and `value` says which. */
  readonly masked?: bigint;
}

/** Where a rule counts. */
export interface Scope {
  /** Names of capabilities without CAP_. */
  readonly capabilities?: readonly string[];
  /** As Go calls them: amd64, arm64. */
  readonly architectures?: readonly string[];
  /** Version of the kernel from which on it counts: major, minor. */
  readonly kernel?: readonly [number, number];
}

export interface Rule {
  readonly calls: readonly string[];
  readonly action: Action;
  /** All of them; several of one argument: one of them. */
  readonly conditions: readonly Condition[];
  /** All of it is given. */
  readonly only?: Scope;
  /** Nothing of it is given. */
  readonly not?: Scope;
}

export interface Profile {
  /** For calls without a rule. */
  readonly otherwise: Action;
  /** Names of libseccomp: SCMP_ARCH_X86 and the like, besides the machine's own. Undefined: all it can run. */
  readonly conventions?: readonly string[];
  readonly rules: readonly Rule[];
}

/** What decides which rules count. */
export interface Circumstances {
  /** process.arch of node. */
  readonly architecture: string;
  /** Names of the container's capabilities, without CAP_. */
  readonly capabilities: ReadonlySet<string>;
  readonly kernel: readonly [number, number];
}

const GO_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

function isSince([major, minor]: readonly [number, number], kernel: readonly [number, number]) {
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}

function isGiven(scope: Scope, { architecture, capabilities, kernel }: Circumstances): boolean {
  const own = GO_NAMES[architecture] ?? architecture;
  return (
    (scope.capabilities ?? []).every((name) => capabilities.has(name)) &&
    (scope.architectures?.includes(own) ?? true) &&
    (scope.kernel === undefined || isSince(scope.kernel, kernel))
  );
}

function isTouched(scope: Scope, { architecture, capabilities, kernel }: Circumstances): boolean {
  const own = GO_NAMES[architecture] ?? architecture;
  return (
    (scope.capabilities ?? []).some((name) => capabilities.has(name)) ||
    (scope.architectures?.includes(own) ?? false) ||
    (scope.kernel !== undefined && isSince(scope.kernel, kernel))
  );
}

/** The rules that count, in their order. */
export function applicableRules({ rules }: Profile, circumstances: Circumstances): Rule[] {
  return rules.filter(
    ({ only = {}, not = {} }) => isGiven(only, circumstances) && !isTouched(not, circumstances),
  );
}

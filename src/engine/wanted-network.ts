/**
 * What a step without a network wanted to reach, from the last lines of its output. The kernel says
 * only that there is no route; the usual programs say where to. Pure.
 */
import type { Plan } from '../plan/plan.js';
import type { RunStep, Step } from '../plan/step.js';
import { StepFailedError } from '../util/errors.js';

/** `host` and, where the message has it, `port`. */
const MESSAGES: readonly RegExp[] = [
  // curl, and git and cargo by libcurl; ssh
  /Could not resolve host(?:name)?:? (?<host>[^\s:,;']+)/,
  /Failed to connect to (?<host>\S+) port (?<port>\d+)/,
  /connect to host (?<host>\S+) port (?<port>\d+): (?:Network is unreachable|Connection refused)/,
  // wget of GNU and of busybox
  /unable to resolve host address [‘'"](?<host>[^’'"]+)/,
  /Connecting to (?<host>[^\s()]+) \([^)]*\)[^:]*:(?<port>\d+)\.\.\. failed/,
  /bad address '(?<host>[^':]+)(?::(?<port>\d+))?'/,
  /can't connect to remote host \((?<host>[^)]+)\)/,
  // apt
  /Temporary failure resolving '(?<host>[^']+)'/,
  /(?:Could not connect to|Cannot initiate the connection to) (?<host>[^\s:]+):(?<port>\d+)/,
  // Node and npm
  /(?:EAI_AGAIN|ENOTFOUND) (?<host>[a-z0-9][a-z0-9.-]*\.[a-z0-9-]+)(?::(?<port>\d+))?/i,
  /connect (?:ENETUNREACH|ECONNREFUSED|EHOSTUNREACH) (?<host>\S+):(?<port>\d+)/,
  // pip and other programs in Python
  /Pool\(host='(?<host>[^']+)', port=(?<port>\d+)\)/,
  // Go
  /dial tcp: lookup (?<host>[^\s:]+)/,
  /dial (?:tcp|udp) \[?(?<host>[^\s\]]+)\]?:(?<port>\d+): connect/,
  // Java
  /UnknownHostException: (?<host>[^\s:]+)/,
];

/** Nobody else says that. */
const NO_NETWORK =
  /Network is unreachable|No route to host|Temporary failure in name resolution|Name or service not known|temporary error \(try again later\)/i;

/**
 * What the lines say that could not be reached: `host` or `host:port` each, in their order; an empty
 * list when something could not, and they do not say what. Undefined: they say nothing of a network.
 */
export function wantedHosts(lines: readonly string[]): string[] | undefined {
  const hosts = new Map<string, string | undefined>();
  for (const line of lines)
    for (const message of MESSAGES) {
      const { host, port } = message.exec(line)?.groups ?? {};
      if (host !== undefined) hosts.set(host, port ?? hosts.get(host));
    }
  if (hosts.size === 0) return lines.some((line) => NO_NETWORK.test(line)) ? [] : undefined;
  return [...hosts].map(([host, port]) => {
    if (port === undefined) return host;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  });
}

/** So much of an instruction names it. */
const NAME_WORDS = 3;

function allowedName({ stage, text }: RunStep): string {
  const words = text.replace(/\s+/g, ' ').split(' ').slice(0, NAME_WORDS).join(' ');
  return JSON.stringify(`${stage}/${words}`);
}

const isFailed =
  ({ location: { file, line } }: StepFailedError) =>
  (step: Step): step is RunStep =>
    step.kind === 'run' &&
    step.network === 'none' &&
    step.location.file === file &&
    step.location.line === line;

/**
 * The error of a step that failed without a network, saying so and what it wanted to reach.
 * @param hermetic by --hermetic, so that the lock file can allow it
 * @returns any other error as it is
 */
export function sayingWanted(error: unknown, plan: Plan, hermetic: boolean): unknown {
  if (!(error instanceof StepFailedError)) return error;
  const { message, location, stepExitCode, lastLines, hint } = error;
  const step = plan.steps.find(isFailed(error));
  const hosts = step && wantedHosts(lastLines);
  if (!step || (!hosts && !hermetic)) return error;
  const reach = hosts && hosts.length > 0 ? `to reach ${hosts.join(', ')}` : 'to reach something';
  const said = hosts ? `${message}; it wanted ${reach}, and it has no network` : message;
  const why = hosts ? 'allow it' : 'it has no network; if it needs one, allow it';
  const more = hermetic
    ? `${why}: "allow-network": [${allowedName(step)}] in the lock file`
    : (hint ?? 'leave --network=none out, or fetch it with ADD');
  return new StepFailedError(said, location, stepExitCode, lastLines, more);
}

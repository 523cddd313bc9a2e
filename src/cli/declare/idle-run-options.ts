/** Options of docker run that are taken because scripts have them, and change nothing in `wiac run`. */
import { Option } from 'commander';
import { NO_EFFECT } from './help-groups.js';

const NAMELESS = 'when the program ends nothing is left that could have one';
const OPEN = "the program has this machine's network: its ports are open on it";
const LOGS = 'the output goes where that of wiac goes, and is kept nowhere';
const HEALTH = 'nobody asks whether the program is well';
const STOPPING = 'signals that wiac gets are passed on as they are';

/** Flags, and why they change nothing. */
const IDLE: readonly (readonly [flags: string, why: string])[] = [
  ['--name <name>', 'when the program ends nothing is left that could have a name'],
  ['-l, --label <label>', NAMELESS],
  ['--label-file <file>', NAMELESS],
  ['--annotation <annotation>', NAMELESS],
  ['--expose <port>', OPEN],
  ['--network-alias <name>', 'there are no other containers that could call it so'],
  ['-a, --attach <stream>', 'all three streams are passed on in any case'],
  ['--detach-keys <keys>', 'there is no daemon that it could be left to'],
  ['--sig-proxy', STOPPING],
  ['--stop-signal <signal>', STOPPING],
  ['--stop-timeout <seconds>', STOPPING],
  ['--log-driver <driver>', LOGS],
  ['--log-opt <option>', LOGS],
  ['--no-healthcheck', HEALTH],
  ...['cmd', 'interval', 'retries', 'start-interval', 'start-period', 'timeout'].map(
    (name) => [`--health-${name} <value>`, HEALTH] as const,
  ),
  ['--disable-content-trust', 'there is no content trust'],
];

/** --name is in the help, as all have it. */
export function idleRunOptions(): Option[] {
  return IDLE.map(([flags]) => {
    const option = new Option(flags, 'of docker').helpGroup(NO_EFFECT);
    return option.long === '--name' ? option : option.hideHelp();
  });
}

/** One line for each that was given. @param options as commander gives them */
export function saidOfIdle(options: Readonly<Record<string, unknown>>): string[] {
  return IDLE.flatMap(([flags, why]) => {
    const option = new Option(flags);
    const value = options[option.attributeName()];
    // --no-NAME is true as long as it is not given.
    const given = option.negate ? value === false : value !== undefined;
    return given ? [`${option.long} changes nothing: ${why}`] : [];
  });
}

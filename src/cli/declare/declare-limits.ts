/** Declares what a container may use of this machine, for `wiac run` and `wiac build`. */
import type { Command } from 'commander';

/** --memory, --cpus and the like. */
export function limitOptions(command: Command): Command {
  return command
    .option('-m, --memory <size>', 'memory that it may use, such as 512m (control group)')
    .option('--memory-swap <size>', 'memory and swap together; -1: as much swap as there is')
    .option('--cpus <number>', 'CPUs that it may use, such as 1.5')
    .option('--cpu-period <us>', 'the period that --cpu-quota is for, in microseconds')
    .option('--cpu-quota <us>', 'CPU time in each period, in microseconds')
    .option('-c, --cpu-shares <weight>', 'its share of busy CPUs: 2 to 262144, others have 1024')
    .option('--cpuset-cpus <list>', 'CPUs that it may run on, such as 0-2,4')
    .option('--cpuset-mems <list>', 'memory nodes that it may use')
    .option(
      '--pids-limit <n>',
      'processes and threads that it may have, -1: no limit (default: 2048, or 256 for each CPU if that is more)',
    );
}

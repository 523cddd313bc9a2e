/** `--call=targets`: the stages of a Dockerfile, as BuildKit's subrequest frontend.targets. Pure. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { splitStages } from '../plan/stages.js';
import { getDescriptions } from './descriptions.js';
import { getData, getLocation, type Location } from './outline-source.js';

/** One stage; members without a value are left out. */
export interface Target {
  readonly name?: string;
  readonly default?: true;
  readonly description?: string;
  /** As FROM has it. */
  readonly base: string;
  /** Of FROM --platform. */
  readonly platform?: string;
  readonly location: Location;
}

export interface TargetList {
  readonly targets: readonly Target[];
  readonly sources: readonly string[];
}

/** Lists all stages. @throws DockerfileError when there is none */
export function listTargets(dockerfile: Dockerfile): TargetList {
  const describe = getDescriptions(dockerfile);
  const { stages } = splitStages(dockerfile);
  const targets = stages.map(({ name, from, index }): Target => {
    const platform = from.flags.find((flag) => flag.name === 'platform')?.value;
    const description = name === undefined ? undefined : describe(from, name);
    return {
      ...(name === undefined ? {} : { name }),
      ...(index === stages.length - 1 ? { default: true } : {}),
      ...(description === undefined ? {} : { description }),
      base: from.image,
      ...(platform === undefined ? {} : { platform }),
      location: getLocation(from.location),
    };
  });
  return { targets, sources: [getData(dockerfile)] };
}

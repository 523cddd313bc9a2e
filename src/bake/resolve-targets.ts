/** Which targets are meant, with all that they inherit. */
import { matchPath } from '../fs/select/gomatch.js';
import { UsageError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type { BakeTarget, Definition, Entry, Fields, Group, WrittenTarget } from './bake-target.js';
import { linkedTarget } from './bake-target.js';
import { cleanPath } from './local-paths.js';
import { mergeFields, normalFields } from './merge-fields.js';
import type { Overrides } from './target-overrides.js';
import { applyOverrides } from './target-overrides.js';

/** What is asked for, as --print shows it. */
export interface Selection {
  readonly groups: readonly Group[];
  /** Those that others are made of come before them. */
  readonly targets: readonly BakeTarget[];
}

/** Targets and groups by their names, each once. */
export interface Named {
  readonly targets: ReadonlyMap<string, WrittenTarget>;
  readonly groups: ReadonlyMap<string, Group>;
}

/** What several blocks and files say of one name, as one. */
export function mergeNamed({ targets, groups }: Definition): Named {
  const merged = new Map<string, WrittenTarget>();
  for (const target of targets) {
    const before = merged.get(target.name);
    merged.set(target.name, {
      name: target.name,
      inherits: [...(before?.inherits ?? []), ...target.inherits],
      fields: mergeFields(before?.fields ?? {}, target.fields),
    });
  }
  const byName = new Map<string, Group>();
  for (const group of groups) {
    const before = byName.get(group.name);
    byName.set(group.name, {
      name: group.name,
      description: group.description ?? before?.description,
      targets: [...new Set([...(before?.targets ?? []), ...group.targets])],
    });
  }
  return { targets: merged, groups: byName };
}

function noTarget(name: string, { targets, groups }: Named): UsageError {
  const known = [...new Set([...groups.keys(), ...targets.keys()])];
  const near = suggest(name, known);
  const all = known.length > 0 ? `there are ${known.join(', ')}` : 'the files have none';
  return new UsageError(`there is no target ${name}`, {
    hint: near === undefined ? all : `did you mean ${near}?`,
  });
}

/** More groups in groups, or targets that inherit from each other, nobody has written. */
const MOST_WITHIN = 1000;

/** The targets of a group and of the groups in it, and these groups. */
function expandName(
  name: string,
  named: Named,
  visited: Set<string> = new Set(),
): { readonly targets: readonly string[]; readonly groups: readonly Group[] } {
  const group = named.groups.get(name);
  if (!group || visited.has(name)) return { targets: group ? [] : [name], groups: [] };
  if (visited.size > MOST_WITHIN) throw new UsageError(`there are too many groups in ${name}`);
  visited.add(name);
  const parts = group.targets.map((each) =>
    // A target and a group of one name: the group that is looked at means the target by it.
    each === name && named.targets.has(each)
      ? { targets: [each], groups: [] }
      : expandName(each, named, visited),
  );
  return {
    targets: parts.flatMap((part) => part.targets),
    groups: [group, ...parts.flatMap((part) => part.groups)],
  };
}

/** A target's fields, with those that it inherits. @throws UsageError */
function inherit(
  name: string,
  named: Named,
  overrides: Overrides,
  path: readonly string[] = [],
  known: Map<string, Fields> = new Map(),
): Fields {
  // Each is asked for once, in however many ways it is inherited.
  const before = known.get(name);
  if (before) return before;
  const target = named.targets.get(name);
  if (!target) throw noTarget(name, named);
  if (path.includes(name))
    throw new UsageError(`${[...path, name].join(' inherits ')}: that has no end`);
  if (path.length > MOST_WITHIN) throw new UsageError(`${name} is inherited too often in a row`);
  const inherited = target.inherits.reduce<Fields>(
    (fields, parent) =>
      mergeFields(fields, inherit(parent, named, overrides, [...path, name], known)),
    {},
  );
  const own = mergeFields(inherited, target.fields);
  const fields = normalFields(applyOverrides(own, overrides.get(name)));
  known.set(name, fields);
  return fields;
}

function resolveTarget(name: string, named: Named, overrides: Overrides): Fields {
  const { context = '', dockerfile = '', ...others } = inherit(name, named, overrides);
  // An empty one, such as a `${NAME}` that nobody has set, is as if it were not there.
  return { context: cleanPath(context), dockerfile: dockerfile || 'Dockerfile', ...others };
}

const CACHE_ONLY: readonly Entry[] = [new Map([['type', 'cacheonly']])];

/** @throws UsageError when a target is to be for platforms that what it is made of is not for */
function requirePlatforms(name: string, { platforms = [] }: Fields, base: BakeTarget): void {
  const known = base.fields.platforms ?? [];
  const missing = platforms.filter((platform) => !known.includes(platform));
  if (known.length < 2 || platforms.length < 2 || missing.length === 0) return;
  throw new UsageError(`${name} is for ${missing.join(', ')}, and ${base.name} is not`, {
    hint: `add the platform to ${base.name}, or leave its platforms out`,
  });
}

/**
 * Targets that nobody asked for, and that say nothing of platforms, are for those of the targets that are
 * made of them.
 * @param targets bases before those that are made of them
 */
export function withPlatforms(targets: readonly BakeTarget[]): BakeTarget[] {
  const known = new Map(targets.map((target) => [target.name, target]));
  for (const { name } of [...targets].reverse()) {
    const target = known.get(name);
    if (!target?.isLinked || target.fields.platforms !== undefined) continue;
    const users = [...known.values()].filter(({ fields }) =>
      [...(fields.contexts?.values() ?? [])].some((value) => linkedTarget(value ?? '') === name),
    );
    const platforms = [...new Set(users.flatMap(({ fields }) => fields.platforms ?? []))];
    if (platforms.length > 0)
      known.set(name, { ...target, fields: { ...target.fields, platforms } });
  }
  return [...known.values()];
}

/** Adds the targets that contexts name, before those whose contexts they are. @throws UsageError */
function addLinked(
  targets: ReadonlyMap<string, Fields>,
  named: Named,
  overrides: Overrides,
): BakeTarget[] {
  const done = new Map<string, BakeTarget>();
  const add = (name: string, path: readonly string[]): BakeTarget => {
    if (path.includes(name))
      throw new UsageError(`${[...path, name].join(' needs ')}: that has no end`, {
        hint: 'change the contexts of one of them',
      });
    const known = done.get(name);
    if (known) return known;
    const asked = targets.get(name);
    const fields = asked ?? {
      ...resolveTarget(name, named, overrides),
      output: CACHE_ONLY,
    };
    const linked = [...(fields.contexts?.values() ?? [])].flatMap((value) => {
      const other = linkedTarget(value ?? '');
      return other === undefined ? [] : [add(other, [...path, name])];
    });
    for (const other of linked) requirePlatforms(name, fields, other);
    // What a target needs, those that are made of it need too.
    const wanted = linked.flatMap((other) => other.fields.entitlements ?? []);
    const entitlements = [...new Set([...(fields.entitlements ?? []), ...wanted])];
    const target: BakeTarget = {
      name,
      isLinked: asked === undefined,
      fields: entitlements.length > 0 ? { ...fields, entitlements } : fields,
    };
    done.set(name, target);
    return target;
  };
  for (const name of targets.keys()) add(name, []);
  return [...done.values()];
}

/** The names that a name with `*`, `?` or `[a-z]` in it stands for; any other one is itself. */
function namesLike(wanted: string, named: Named): readonly string[] {
  const known = [...new Set([...named.targets.keys(), ...named.groups.keys()])];
  if (known.includes(wanted) || !/[*?[]/.test(wanted)) return [wanted];
  const like = known.filter((name) => matchPath(wanted, name));
  return like.length > 0 ? like : [wanted];
}

/** What is built when nothing is named. */
const DEFAULT = 'default';

/**
 * The targets and groups of a command line.
 * @param wanted names, which may be patterns as path.Match of Go has them; none means `default`
 * @throws UsageError
 */
export function selectTargets(
  named: Named,
  wanted: readonly string[],
  overrides: Overrides,
): Selection {
  const asked = wanted.length > 0 ? wanted : [DEFAULT];
  const names = asked.flatMap((name) => namesLike(name, named));
  const groups = new Map<string, Group>();
  const targets = new Map<string, Fields>();
  for (const name of names) {
    const expanded = expandName(name, named);
    for (const group of expanded.groups) groups.set(group.name, group);
    for (const target of expanded.targets)
      if (!targets.has(target)) targets.set(target, resolveTarget(target, named, overrides));
  }
  for (const name of names) {
    if (name === DEFAULT && groups.has(DEFAULT)) continue;
    const before = groups.get(DEFAULT);
    groups.set(DEFAULT, { name: DEFAULT, targets: [...(before?.targets ?? []), name] });
  }
  const sorted = groups.get(DEFAULT);
  if (sorted) groups.set(DEFAULT, { ...sorted, targets: [...new Set(sorted.targets)].sort() });
  return { groups: [...groups.values()], targets: addLinked(targets, named, overrides) };
}

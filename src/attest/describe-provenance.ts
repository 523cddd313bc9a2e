/** SLSA provenance for people: by whom, from what. The predicate comes from a stranger. Pure. */

type Members = Readonly<Record<string, unknown>>;

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** One line, without control characters, whatever it is. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

function digests(value: unknown): string {
  return Object.entries(members(value))
    .map(([algorithm, hex]) => `${plain(algorithm)}:${plain(hex)}`)
    .join(' ');
}

/** A name and a value of the text. */
export type ProvenanceLine = readonly [name: string, value: string];

function argumentLines(args: unknown): ProvenanceLine[] {
  return Object.entries(members(args)).map(([name, value]) => [plain(name), plain(value)]);
}

/** Members of SLSA v1 and of v0.2, which BuildKit writes by default. */
function facts(predicate: Members) {
  const definition = members(predicate.buildDefinition);
  const details = members(predicate.runDetails);
  const parameters = members(definition.externalParameters);
  const invocation = members(predicate.invocation);
  const isV1 = predicate.buildDefinition !== undefined;
  const metadata = members(isV1 ? details.metadata : predicate.metadata);
  return {
    builder: members(isV1 ? details.builder : predicate.builder).id,
    type: isV1 ? definition.buildType : predicate.buildType,
    source: members(isV1 ? parameters.configSource : invocation.configSource),
    args: isV1 ? members(parameters.request).args : members(invocation.parameters).args,
    materials: list(isV1 ? definition.resolvedDependencies : predicate.materials),
    started: isV1 ? metadata.startedOn : metadata.buildStartedOn,
    finished: isV1 ? metadata.finishedOn : metadata.buildFinishedOn,
    hermetic: metadata.buildkit_hermetic ?? members(metadata.completeness).hermetic,
  };
}

/** Names and values, in the order of the text; what the predicate has not is left out. */
export function describeProvenance(predicate: unknown): ProvenanceLine[] {
  const found = facts(members(predicate));
  const { source } = found;
  const where = [source.uri, source.path ?? source.entryPoint].filter((part) => part !== undefined);
  const lines: (readonly [string, unknown])[] = [
    ['builder', found.builder],
    ['build type', found.type],
    ['started', found.started],
    ['finished', found.finished],
    ['hermetic', found.hermetic],
    ['source', where.length > 0 ? where.map(plain).join(' ') : undefined],
    ['source digest', source.digest === undefined ? undefined : digests(source.digest)],
  ];
  const materials = found.materials.map(members).map(({ uri, digest }): ProvenanceLine => {
    return ['input', `${plain(uri)} ${digests(digest)}`.trim()];
  });
  return [
    ...lines.flatMap(([name, value]): ProvenanceLine[] =>
      value === undefined || value === '' ? [] : [[name, plain(value)]],
    ),
    ...argumentLines(found.args).map(
      ([name, value]): ProvenanceLine => [`argument ${name}`, value],
    ),
    ...materials,
  ];
}

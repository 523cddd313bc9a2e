/** What comments say of the stages and arguments of a Dockerfile. */
import type { Dockerfile, Instruction } from '../dockerfile/ast.js';

/** The description of a name that an instruction defines; undefined when there is none. */
export type Descriptions = (instruction: Instruction, name: string) => string | undefined;

/**
 * Descriptions are lines right above FROM and ARG that begin with the name (Docker documentation,
 * InvalidDefinitionDescription): `# VERSION is that of the program`.
 */
export function getDescriptions({ comments }: Dockerfile): Descriptions {
  const above = new Map(
    comments.map(({ line, text }) => {
      const lines = text.split('\n');
      return [line + lines.length, lines] as const;
    }),
  );
  return ({ location }, name) => {
    const line = above.get(location.line)?.findLast((text) => text.startsWith(`${name} `));
    return line?.slice(name.length + 1).trim();
  };
}

export declare function compile(
  compiler: string,
  output: string,
  flags?: readonly string[],
): boolean;
export declare function compileAll(directory: string): { name: string; unfinished: string }[];

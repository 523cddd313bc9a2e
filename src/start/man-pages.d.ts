import type { Command } from 'commander';
export declare function manPage(command: Command, version: string): string;
export declare function manPages(program: Command, version: string): [string, string][];

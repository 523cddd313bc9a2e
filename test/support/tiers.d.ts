export declare function testFiles(): string[];
export declare function tierOf(path: string): 'pure' | 'root' | 'peers';

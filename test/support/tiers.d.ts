export declare function testFiles(): string[];
export declare function getTier(path: string): 'pure' | 'root' | 'peers';

export declare const ROOMS: readonly (readonly string[])[];
export declare const MARKS: readonly string[];
export declare function imports(): { readonly from: string; readonly to: string }[];
export declare function roomOf(path: string): string;
export declare function houseOf(room: string): string;
export declare function drawHouse(): string;
export declare function sources(directory: string): string[];

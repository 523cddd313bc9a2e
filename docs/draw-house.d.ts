export declare const ROOMS: readonly (readonly string[])[];
export declare const MARKS: readonly string[];
export declare function imports(): { readonly from: string; readonly to: string }[];
export declare function getRoom(path: string): string;
export declare function getHouse(room: string): string;
export declare function drawHouse(): string;
export declare function sources(directory: string): string[];

export const TINY: string;
export const VERSIONS: readonly string[];
export function ensureSkyRL(version: string): string;
export function ensureTinyModel(python: string): void;
export interface Server {
  readonly url: string;
  readonly log: string;
  readonly pid: number;
  readonly exit: Promise<string>;
  end(): Promise<void>;
  kill(): Promise<void>;
}
export function startServer(options: {
  readonly version: string;
  readonly model: string;
  readonly folder: string;
  readonly port?: number;
  readonly config?: Readonly<Record<string, unknown>>;
}): Promise<Server>;

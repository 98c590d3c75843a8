/** A Python that has these modules; null: there is none. */
export function findPython(modules: readonly string[]): string | null;
/** Makes `.venv/` with what scripts/python needs, unless it is there; its Python. Exits where there is no Python to begin with. */
export function ensurePython(): string;

/** The files of a log that the reader chose or dropped. Folders are walked as `analyze` walks them. */
import { isBesideFolder, isLogName, isTrainData, lastName, trainedOn } from '../../src/rollouts/names.js';
import type { LogFile } from './log-worker.js';

/** A file that is named directly is read whatever its name; in a folder, only files that can be logs are read. */
export function chosenFiles(files: Iterable<File>): LogFile[] {
  return Array.from(files, (blob) => ({ blob, path: blob.webkitRelativePath || blob.name }));
}

/** The dropped files. Their entries must be requested at once: they are gone after the event. */
export async function droppedFiles({ items, files }: DataTransfer): Promise<LogFile[]> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null || entry.isFile)) return chosenFiles(files);
  const chosen: LogFile[] = [];
  for (const entry of entries) if (entry) chosen.push(...(await filesOf(entry, true)));
  const kept = new Set(trainedOn(chosen.map(({ path }) => path)));
  const order = new Intl.Collator('en', { numeric: true });
  return chosen.filter(({ path }) => kept.has(path)).sort((a, b) => order.compare(a.path, b.path));
}

async function filesOf(entry: FileSystemEntry, named: boolean): Promise<LogFile[]> {
  const path = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) {
    if (!named && (!isLogName(lastName(path)) || isTrainData(path))) return [];
    return [
      {
        blob: await new Promise<File>((...callbacks) => (entry as FileSystemFileEntry).file(...callbacks)),
        path,
      },
    ];
  }
  const live = entry.name === 'live' && /(^|\/)traces\/live$/.test(path);
  if ((!named && isBesideFolder(entry.name)) || live) return [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const chosen: LogFile[] = [];
  for (;;) {
    // A reader returns up to a hundred entries at a time, and none at the end.
    const entries = await new Promise<FileSystemEntry[]>((...callbacks) => reader.readEntries(...callbacks));
    if (entries.length === 0) return chosen;
    for (const within of entries) chosen.push(...(await filesOf(within, false)));
  }
}

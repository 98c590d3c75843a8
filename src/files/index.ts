/** Writing files: completely or not at all, by one process at a time, with one-line errors. */
export { FileError, fileError } from './errors.js';
export { FolderLock, holderRuns, isLock, LOCK, LockError } from './lock.js';
export { ScratchFile } from './scratch.js';
export { isTemporary, removeLeftovers, settled, temporaryName, unfinished } from './temporary.js';
export {
  append,
  copy,
  makeFolder,
  makeSubfolder,
  makeTemporaryFolder,
  move,
  remove,
  removeUnfinished,
  sync,
  WholeFile,
  writeFolder,
  writeWhole,
} from './write.js';

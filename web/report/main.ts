/** The page of the report: a table of groups, and the process tree of the open group. */
import type { ReportData } from '../../src/analysis/report/data.js';
import { logGroups } from '../components/log-groups.js';
import { defineProcessTree } from '../components/process-tree.js';
import './report.css';

defineProcessTree();
const data = JSON.parse(document.getElementById('data')?.textContent ?? '{}') as ReportData;
const { lead, table } = logGroups(data, document.getElementById('group') as HTMLElement);
(document.getElementById('groups-lead') as HTMLElement).textContent = lead;
document.getElementById('groups')?.append(table);

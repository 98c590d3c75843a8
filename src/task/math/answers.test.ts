/** Pairs of answers by kind: equal ones in both directions, and different ones. All were written for this test. */
import { describe, expect, test } from 'vitest';
import { answersEqual } from './index.js';

type Pairs = Readonly<Record<string, readonly (readonly [a: string, b: string])[]>>;

const SAME: Pairs = {
  numbers: [
    ['12,345', '12345'],
    ['1{,}000', '1000'],
    ['10\\,000', '10000'],
    ['10 000', '10000'],
    ['1,234,567.89', '1234567.89'],
    ['007', '7'],
    ['9.0', '9'],
    ['.5', '0.50'],
    ['+5', '5'],
    ['-(-3)', '3'],
    ['1.5e3', '1500'],
    ['1e-3', '0.001'],
    ['2\\times 10^{5}', '200000'],
    ['6.02\\times10^{23}', '6.02e23'],
    ['0.1\\overline{6}', '1/6'],
    ['\\{1,000, 2,000\\}', '\\{1000, 2000\\}'],
  ],
  fractions: [
    ['0.5', '\\frac12'],
    ['\\dfrac{3}{4}', '\\tfrac34'],
    ['-\\frac{3}{4}', '\\frac{-3}{4}'],
    ['\\frac{3}{-4}', '-3/4'],
    ['1\\frac{1}{2}', '1.5'],
    ['1 1/2', '\\frac32'],
    ['\\frac{270}7', '270/7'],
    ['½', '0.5'],
    ['\\frac23', '0.66667'],
  ],
  'roots, powers and constants': [
    ['\\sqrt{8}', '2\\sqrt2'],
    ['\\frac{1}{\\sqrt{2}}', '\\frac{\\sqrt2}{2}'],
    ['\\sqrt[3]{27}', '3'],
    ['sqrt(2)/2', '\\frac{\\sqrt{2}}{2}'],
    ['√2', '\\sqrt{2}'],
    ['2*pi', '2\\pi'],
    ['π/2', '\\frac{\\pi}{2}'],
    ['\\log_2 8', '3'],
    ['\\binom{5}{2}', '10'],
    ['5!', '120'],
    ['\\cos^{-1} 0', '\\frac{\\pi}{2}'],
    ['\\lfloor 3.7 \\rfloor', '3'],
    ['3+4i', '4i+3'],
    ['\\frac{1}{1+i}', '\\frac{1-i}{2}'],
    ['2^{1009}', '2\\cdot 2^{1008}'],
  ],
  'percent, degrees, units and currency': [
    ['50\\%', '\\frac12'],
    ['28 percent', '28\\%'],
    ['28', '28\\%'],
    ['45^\\circ', '45'],
    ['18^\\circ', '18 \\text{ degrees}'],
    ['\\frac{\\pi}{4}', '45^\\circ'],
    ['5 cm', '5\\text{ cm}'],
    ['15\\,\\mathrm{cm}^2', '15'],
    ['5 \\text{ square feet}', '5\\text{ ft}^2'],
    ['\\$12.50', '12.5 \\text{ dollars}'],
    ['$12', '12'],
    ['€20', '20'],
    ['\\frac{10}{20}\\text{ hours}', '1/2'],
    ['\\text{12 cm}', '12'],
    ['1\\text{ km}', '1000\\text{ m}'],
    ['1 \\text{ m}^2', '10000 \\text{ cm}^2'],
    ['90\\text{ min}', '1.5 \\text{ hours}'],
    ['36\\text{ km/h}', '10\\,\\mathrm{m/s}'],
    ['2 \\text{ inches}', '5.08 \\text{ cm}'],
    ['12 \\text{ cents}', '\\$0.12'],
    ['5 km/h', '5'],
    ['5\\,\\mathrm{m}', '5'],
    ['33\\frac13\\%', '\\frac13'],
    ['3^{\\text{rd}}', '3'],
  ],
  expressions: [
    ['(x+1)^2', 'x^2+2x+1'],
    ['\\sin^2 x+\\cos^2 x', '1'],
    ['2\\sin x\\cos x', '\\sin 2x'],
    ['a^{2/3}', '\\sqrt[3]{a^2}'],
    ['\\frac{a}{b}+\\frac{c}{d}', '\\frac{ad+bc}{bd}'],
    ['3^{x+1}', '3\\cdot 3^x'],
    ['(n+1)!', '(n+1) n!'],
    ['(n-2) 2^{n}', '2^n n - 2^{n+1}'],
    ['n 2^{n-1}', '\\frac{n \\cdot 2^n}{2}'],
    ['\\dot{x}_{0}t', 't \\dot{x}_0'],
    ['|x-1|', '\\left|1-x\\right|'],
    ['f^{-1}(x)=\\frac{x-1}{2}', '\\frac{x-1}{2}'],
  ],
  'tuples, sets and lists': [
    ['(1, 2)', '\\left(1,\\frac{4}{2}\\right)'],
    ['\\langle 1,2\\rangle', '(1,2)'],
    ['\\{2,1\\}', '\\{1,2\\}'],
    ['\\{1,2\\}\\cup\\{3\\}', '\\{1,2,3\\}'],
    ['1, 2', '2 \\text{ and } 1'],
    ['1;2', '\\{1,2\\}'],
    ['\\pm 3', '3,-3'],
    ['1 \\pm \\sqrt{19}', '1+\\sqrt{19}, 1-\\sqrt{19}'],
    ['(3,4,5)', '3,4,5'],
    ['\\{(1,2),(3,4)\\}', '(3,4),(1,2)'],
    ['\\emptyset', '\\{\\}'],
    ['x\\in\\{5\\}', '5'],
    ['\\text{no real solutions}', '\\emptyset'],
    ['\\text{None}', '\\{\\}'],
    ['k\\pi, k\\in\\mathbb{Z}', '\\pi n, n \\in \\mathbb{Z}'],
    ['k\\pi, k\\in\\mathbb{Z}', '\\pi k'],
  ],
  'intervals and inequalities': [
    ['[1,2]\\cup[3,4]', '[3,4]\\cup[1,2]'],
    ['(0,1)\\cup[1,2)', '(0,2)'],
    ['(-\\infty,3]', 'x\\le 3'],
    ['x \\in (1,2)', '1<x<2'],
    ['-1 < x < 2', '2 > x > -1'],
    ['2x>4', 'x>2'],
    ['x<-1 \\text{ or } x>1', '|x|>1'],
    ['x>1 \\text{ and } x<3', '(1,3)'],
    ['x\\neq 2', '\\mathbb{R}\\setminus\\{2\\}'],
    ['all real numbers', '(-\\infty,\\infty)'],
    ['\\{x : x > 2\\}', '(2,\\infty)'],
    ['\\{x \\mid -1 \\le x < 3\\}', '[-1,3)'],
    ['\\{t\\in\\mathbb{R} \\mid |t|<2\\}', '-2<t<2'],
    ['\\{x \\mid x<1 \\text{ or } x>2\\}', '(-\\infty,1)\\cup(2,\\infty)'],
  ],
  equations: [
    ['x = 5', '5'],
    ['5 = x', 'x = 5'],
    ['y=2x+1', '2x - y + 1 = 0'],
    ['x=1 or x=2', '\\{1,2\\}'],
    ['x=1,y=2', '(1,2)'],
    ['(x,y)=(1,2)', 'x=1, y=2'],
    ['f(x)=x^2', 'f(t)=t^2'],
    ['AB=5', '5'],
    ['P(A)=\\frac12', '1/2'],
    ['\\angle ABC=30^\\circ', '30'],
    ['z = 1 + 1 = 2', '2'],
    ['x = \\frac13 \\approx 0.33', '1/3'],
  ],
  'matrices, ratios and number systems': [
    ['\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}', '\\begin{pmatrix}1&2\\\\3&\\frac82\\end{pmatrix}'],
    ['2\\begin{pmatrix}1\\\\2\\end{pmatrix}', '\\begin{pmatrix}2\\\\4\\end{pmatrix}'],
    ['6:8', '3:4'],
    ['3/4', '3:4'],
    ['3:30 \\text{ p.m.}', '3:30'],
    ['204_{5}', '204_5'],
  ],
  'choices and words': [
    ['(B)', 'B'],
    ['\\text{(B)}', '\\textbf{B}'],
    ['B. 12', '12'],
    ['(B) 12', 'B'],
    ['yes', '\\text{Yes}'],
    ['{\\text{east}}', 'East'],
    ['the ellipse', '\\text{ellipse}'],
    ['no  solution', '\\text{No solution}.'],
    ['\\text{DNE}', '\\text{does not exist}'],
    ['\\text{red and blue}', 'red, blue'],
    ['\\text{A and B}', 'A, B'],
    ['\\overline{AB}', 'AB'],
    ['\\overrightarrow{AB}', '\\vec{AB}'],
  ],
};

const DIFFERENT: Pairs = {
  numbers: [
    ['12345', '12346'],
    ['12, 345', '12345'],
    ['1 2', '12'],
    ['1,2', '1.2'],
    ['30,000', '30'],
    ['3.0001', '3'],
    ['0.333', '0.3333'],
    ['10^{20}', '10^{20}+1'],
    ['10^{-20}', '10^{-21}'],
    ['\\frac{1}{0}', '1'],
    ['-3^2', '9'],
    ['\\infty', '-\\infty'],
    ['\\infty', '1000'],
  ],
  'near misses of constants': [
    ['0.33', '\\frac13'],
    ['1/3', '0.3333'],
    ['3.14', '\\pi'],
    ['22/7', '\\pi'],
    ['e^{\\pi\\sqrt{163}}', '262537412640768744'],
    ['\\sqrt{2}+\\sqrt{3}', '\\sqrt{5}'],
    ['\\ln 10', '\\log 100'],
  ],
  'percent, degrees, units and currency': [
    ['0.5\\%', '5'],
    ['50', '0.5'],
    ['2\\pi', '360'],
    ['\\sin 30', '\\frac12'],
    ['5 cm', '5 \\text{ m}'],
    ['5 \\text{ cm}^2', '5\\text{ cm}'],
    ['\\$5', '5 \\text{ cents}'],
    ['6m', '6'],
    ['36^\\circ', '\\$36'],
    ['8\\%', '8 \\text{ cm}'],
    ['1\\text{ km}', '100\\text{ m}'],
    ['1 \\text{ m}^2', '100 \\text{ cm}^2'],
    ['5\\text{ m/s}', '5\\text{ km/h}'],
    ['5\\text{ kg}', '5000\\text{ m}'],
    ['60\\text{ min}', '60\\text{ hours}'],
    ['33\\frac13\\%', '33'],
  ],
  expressions: [
    ['x+1', 'x+2'],
    ['2x', '2y'],
    ['|x|', 'x'],
    ['\\sqrt{x^2}', 'x'],
    ['2^x', 'x^2'],
    ['\\frac{1}{2}x', '\\frac{1}{2x}'],
    ['i', '-i'],
    ['I(0)', '0'],
    ['\\frac{dy}{dx}', '\\frac{y}{x}'],
    ["f'(x)", 'f(x)'],
    ['f^{-1}(x)', '\\frac{1}{f(x)}'],
    ['x_1', 'x_2'],
    ['a', 'A'],
  ],
  'tuples, sets and lists': [
    ['(1,2)', '(2,1)'],
    ['(3,1)', '\\{1,3\\}'],
    ['\\{1,2\\}', '\\{1,2,3\\}'],
    ['1,2', '1'],
    ['5,5', '5'],
    ['\\pm 2', '2'],
    ['5 or 6', '5'],
    ['(1,2),(3,4)', '(1,2),(4,3)'],
    ['\\{\\{1\\},\\{2\\}\\}', '\\{1,2\\}'],
    ['\\text{no solution}', '0'],
    ['\\emptyset', '\\{0\\}'],
    ['k\\pi, k\\in\\mathbb{Z}', '2n\\pi, n\\in\\mathbb{Z}'],
    ['k\\pi+n, k\\in\\mathbb{Z}', 'n\\pi+n, n\\in\\mathbb{Z}'],
  ],
  'intervals and inequalities': [
    ['[1,2)', '(1,2)'],
    ['[0,1]', '\\{0,1\\}'],
    ['x<3', 'x\\le3'],
    ['x>3', 'x<3'],
    ['x>2', 'y>2'],
    ['(0,2)', '(0,1)\\cup(1,2)'],
    ['x>1 \\text{ and } x<3', 'x>1 \\text{ or } x<3'],
    ['2x<-4', '-2x<4'],
    ['(3,4]', '3,4'],
    ['x \\in [-2,7]', '2x \\in [-2,7]'],
    ['x \\in [-2,7]', 'y \\in [-2,7]'],
    ['\\{x : x > 2\\}', '[2,\\infty)'],
    ['\\{x \\in \\mathbb{Z} : x > 2\\}', '(2,\\infty)'],
  ],
  equations: [
    ['x=5', 'y=5'],
    ['a+3b=0', '0'],
    ['x+y=1', '1'],
    ['x^2=4', 'x=2'],
    ['y=2x', 'x=2y'],
    ['f(x)=2x', 'f(x)=3x'],
    ['k=45,n=2', 'k=2,n=45'],
    ['45, 2', 'k=2,n=45'],
    ['x=1,2,3', 'y=1,2,3'],
  ],
  'matrices, ratios and number systems': [
    ['\\begin{pmatrix}1&2\\end{pmatrix}', '\\begin{pmatrix}1\\\\2\\end{pmatrix}'],
    ['\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}', '\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}'],
    ['3:4', '4:3'],
    ['3:30 \\text{ p.m.}', '3:30 \\text{ a.m.}'],
    ['204_5', '204_6'],
    ['204', '204_5'],
    ['54', '204_5'],
  ],
  'choices and words': [
    ['(A)', '(B)'],
    ['(B)', '12'],
    ['yes', 'no'],
    ['\\text{east}', '\\text{west}'],
    ['\\text{ab}', '\\text{ba}'],
    ['\\text{red and blue}', '\\text{red}'],
    ['\\text{A and B}', '\\text{A and C}'],
    ['\\overline{AB}', 'AC'],
    ['ellipse', '\\text{circle}'],
    ['', '5'],
  ],
};

const rows = (pairs: Pairs) =>
  Object.entries(pairs).flatMap(([kind, list]) => list.map(([a, b]) => [kind, a, b] as const));

describe('answers', () => {
  test.each(rows(SAME))('%s: %s is %s', (_, a, b) => {
    expect(answersEqual(a, b)).toMatchObject({ equal: true });
    expect(answersEqual(b, a)).toMatchObject({ equal: true });
  });

  test.each(rows(DIFFERENT))('%s: %s is not %s', (_, a, b) => {
    expect(answersEqual(a, b)).toMatchObject({ equal: false });
    expect(answersEqual(b, a)).toMatchObject({ equal: false });
  });

  test('the sign of percent may be missing, but not where that makes an answer a hundred times as large', () => {
    expect(answersEqual('0.5\\%', '0.5').equal).toBe(false);
    expect(answersEqual('0.5', '0.5\\%').equal).toBe(false);
    expect(answersEqual('0.5\\%', '0.005').equal).toBe(true);
    expect(answersEqual('28', '28\\%').equal).toBe(true);
  });

  test('a tolerance is that of constants, relative to the gold answer', () => {
    expect(answersEqual('4.54e33', '4.5e33', { relativeTolerance: 0.01 }).equal).toBe(true);
    expect(answersEqual('4.54e33', '4.5e33').equal).toBe(false);
    expect(answersEqual('4.6e33', '4.5e33', { relativeTolerance: 0.01 }).equal).toBe(false);
    expect(answersEqual('x+1.001', 'x+1', { relativeTolerance: 0.01 }).equal).toBe(false);
  });

  test('a verdict says why', () => {
    expect(answersEqual('\\frac{2}{4}', '0.5').reason).toBe('equal in value');
    expect(answersEqual('3', '4').reason).toBe("'3' is not '4'");
    expect(answersEqual('\\int_0^1 x\\,dx', '4').reason).toBe(
      "'\\int_0^1 x\\,dx' cannot be read: 'int' is not supported",
    );
    expect(answersEqual('(1', '4').reason).toBe("'(1' cannot be read: it ends too early");
    expect(answersEqual('9'.repeat(3000), '4').reason).toBe('the answer has more than 2000 characters');
  });
});

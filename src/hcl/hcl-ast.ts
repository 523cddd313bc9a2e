/** What HCL text is parsed to. */
import type { Place } from './hcl-source.js';
import type { Value } from './hcl-value.js';

export type BinaryOperator =
  | '||'
  | '&&'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '%';

/** Text with values in it. */
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly yes: readonly TemplatePart[];
      readonly no: readonly TemplatePart[];
    }
  | {
      readonly kind: 'for';
      readonly key: string | undefined;
      readonly item: string;
      readonly collection: Expression;
      readonly body: readonly TemplatePart[];
    };

/** `for` of a list or an object. */
export interface ForExpression {
  readonly kind: 'for';
  readonly place: Place;
  readonly key: string | undefined;
  readonly item: string;
  readonly collection: Expression;
  /** Undefined: it makes a list. */
  readonly keyed: Expression | undefined;
  readonly value: Expression;
  /** `...`: values of the same key come together. */
  readonly grouped: boolean;
  readonly condition: Expression | undefined;
}

export type Expression =
  | { readonly kind: 'literal'; readonly place: Place; readonly value: Value }
  | { readonly kind: 'template'; readonly place: Place; readonly parts: readonly TemplatePart[] }
  | { readonly kind: 'variable'; readonly place: Place; readonly name: string }
  | {
      readonly kind: 'call';
      readonly place: Place;
      readonly name: string;
      readonly args: readonly Expression[];
      /** `...` after the last one: its elements are arguments. */
      readonly expanded: boolean;
    }
  | {
      readonly kind: 'index';
      readonly place: Place;
      readonly from: Expression;
      readonly key: Expression;
    }
  | {
      readonly kind: 'splat';
      readonly place: Place;
      readonly from: Expression;
      /** Evaluated for each element, which is the variable SPLAT_ITEM. */
      readonly each: Expression;
    }
  | {
      readonly kind: 'unary';
      readonly place: Place;
      readonly operator: '-' | '!';
      readonly operand: Expression;
    }
  | {
      readonly kind: 'binary';
      readonly place: Place;
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'conditional';
      readonly place: Place;
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
  | { readonly kind: 'tuple'; readonly place: Place; readonly items: readonly Expression[] }
  | {
      readonly kind: 'object';
      readonly place: Place;
      readonly entries: readonly (readonly [key: Expression, value: Expression])[];
    }
  | ForExpression;

/** No name in HCL looks like this. */
export const SPLAT_ITEM = '*';

export interface Attribute {
  readonly name: string;
  readonly value: Expression;
  readonly place: Place;
}

export interface Block {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: Body;
  /** Its first line. */
  readonly place: Place;
}

export interface Body {
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly blocks: readonly Block[];
}

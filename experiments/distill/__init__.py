"""Distillation of teachers into students: data, training of many seeds, measures, figures."""

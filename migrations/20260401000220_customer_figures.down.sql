DROP VIEW public.customer_figures;
